package dsn_test

import (
	"errors"
	"testing"
	"time"

	"lagerd/store/dsn"
)

const server = "user:pa?ss/word@tcp(db:3306)/lagerd"

// TestFixedWhateverTheDSNSays: parameters that affect results have one value.
func TestFixedWhateverTheDSNSays(t *testing.T) {
	t.Parallel()
	for _, parameters := range []string{
		"", "?charset=utf8", "?charset=latin1,utf8", "?collation=latin1_swedish_ci&charset=latin1", "?parseTime=false&loc=Europe%2FCopenhagen",
		"?columnsWithAlias=true", "?clientFoundRows=true", "?interpolateParams=false", "?multiStatements=true&allowAllFiles=true",
		"?rejectReadOnly=true&maxAllowedPacket=1024&timeTruncate=1s", "?autocommit=0&sql_mode=%27%27&time_zone=%27SYSTEM%27",
		"?tx_isolation=%27SERIALIZABLE%27&sql_select_limit=3&tx_read_only=1",
	} {
		plain, err := dsn.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := dsn.Parse(server + parameters)
		if err != nil {
			t.Errorf("%s: %v", parameters, err)
			continue
		}
		if got, want := cfg.FormatDSN(), plain.FormatDSN(); got != want {
			t.Errorf("%s: %s, expected %s", parameters, got, want)
		}
		if !cfg.ParseTime || cfg.Loc != time.UTC || cfg.ClientFoundRows || cfg.Collation != dsn.Collation || len(cfg.Params) != 0 || cfg.Passwd != "pa?ss/word" {
			t.Errorf("%s: %+v", parameters, cfg)
		}
	}
}

func TestPassed(t *testing.T) {
	t.Parallel()
	cfg, err := dsn.Parse(server + "?timeout=3s&readTimeout=4s&wsrep_sync_wait=1&tls=skip-verify&max_statement_time=30")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Timeout != 3*time.Second || cfg.ReadTimeout != 4*time.Second || cfg.TLS == nil || len(cfg.Params) != 2 || cfg.Params["wsrep_sync_wait"] != "1" {
		t.Errorf("%+v", cfg)
	}
}

func TestRefusedByName(t *testing.T) {
	t.Parallel()
	for parameters, name := range map[string]string{
		"?sql_log_bin=0": "sql_log_bin", "?tls=true&wsrep_on=OFF": "wsrep_on", "?timestamp=1": "timestamp", "?strict=true": "strict",
		"?useSSL=true": "useSSL", "?characterEncoding=utf8": "characterEncoding", "?max_sort_length=4": "max_sort_length",
		"?charsets": "charsets", "?%40%40session.sql_mode=%27%27": "@@session.sql_mode", "?Autocommit=0": "Autocommit",
	} {
		_, err := dsn.Parse(server + parameters)
		refused, ok := errors.AsType[*dsn.RefusedError](err)
		if !ok || refused.Parameter != name {
			t.Errorf("%s: %v, expected %s to be refused", parameters, err, name)
		}
	}
	for _, bad := range []string{"nonsense", "user@nowhere", server + "?parseTime=maybe", server + "?loc=Nowhere", server + "?timeout=soon"} {
		if _, err := dsn.Parse(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
