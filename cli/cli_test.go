package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
)

func TestConfigFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	there := filepath.Join(dir, "lagerd.yaml")
	if err := os.WriteFile(there, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing, odd := filepath.Join(dir, "missing", "lagerd.yaml"), filepath.Join(there, "lagerd.yaml")
	named, blank := "/x/y.yaml", " "
	for _, c := range []struct {
		name      string
		named     *string
		installed string
		want      string
		bad       bool
	}{
		{"none", nil, missing, "", false},
		{"installed", nil, there, there, false},
		{"one that cannot be checked", nil, odd, odd, false}, // config.Load then reports why
		{"named", &named, there, named, false},
		{"named by nothing", &blank, missing, "", true},
	} {
		got, err := configFile(c.named, c.installed)
		var bad *config.Errors
		if got != c.want || errors.As(err, &bad) != c.bad {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func TestJudgeKey(t *testing.T) {
	t.Parallel()
	load := func() *secret.Keys {
		k, err := secret.Load([]byte(secret.Generate()))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	mine, other := load(), load()
	sealed := func(k *secret.Keys, name string) store.Shop {
		token, err := k.Seal(secret.GrantToken, name, "grant")
		if err != nil {
			t.Fatal(err)
		}
		return store.Shop{Shop: name, GrantToken: token}
	}
	a, b, broken := sealed(mine, "a"), sealed(other, "b"), store.Shop{Shop: "c", GrantToken: []byte("x")}
	for _, c := range []struct {
		name  string
		known []byte
		shops []store.Shop
		want  keyVerdict
	}{
		{"the one that is known", mine.Check(), []store.Shop{b}, keyIsKnown},
		{"another is known", other.Check(), nil, keyIsAnother},
		{"another is known, whatever opens", other.Check(), []store.Shop{a}, keyIsAnother},
		{"none is known and no shop", nil, nil, keyIsUnproved},
		{"none is known and nothing opens", nil, []store.Shop{b, broken}, keyIsUnproved},
		{"none is known and one opens", nil, []store.Shop{broken, b, a}, keyIsProved},
	} {
		got, opens := judge(store.MasterKey{Check: c.known}, mine, c.shops)
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if proved := c.want == keyIsProved; proved != bytes.Equal(opens, mine.Check()) || !proved && opens != nil {
			t.Errorf("%s: the key that opens a token is %x", c.name, opens)
		}
	}
}

func TestBeating(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	instance := func(beat int64, age time.Duration) []store.Instance {
		return []store.Instance{{Instance: "i", Beat: beat, BeatAt: store.At(at.Add(-age))}}
	}
	for _, c := range []struct {
		name            string
		before, current []store.Instance
		lives, doubted  bool
	}{
		{"none", nil, nil, false, false},
		{"has just beaten", nil, instance(7, time.Second), true, false},
		{"a clock a little ahead", nil, instance(7, -500*time.Millisecond), true, false},
		{"silent for long", nil, instance(7, time.Minute), false, true},
		{"beats in the future", nil, instance(7, -time.Minute), false, true},
		{"still silent", instance(7, time.Minute), instance(7, time.Minute), false, true},
		{"its clock is behind, and it beats", instance(7, time.Minute), instance(8, time.Minute), true, false},
		{"its clock is ahead, and it beats", instance(7, -time.Hour), instance(8, -time.Hour), true, false},
		{"has come meanwhile", []store.Instance{}, instance(1, time.Minute), true, false},
		{"has gone meanwhile", instance(7, time.Minute), nil, false, false},
	} {
		alive, doubted := beating(c.before, c.current, at, 2*time.Second)
		if (len(alive) == 1) != c.lives || (len(doubted) == 1) != c.doubted {
			t.Errorf("%s: lives %v, doubted %v", c.name, alive, doubted)
		}
	}
}

// TestHolding: a dead instance is waited for only while it holds leases.
func TestHolding(t *testing.T) {
	t.Parallel()
	doubted := []store.Instance{{Instance: "dead"}, {Instance: "slow"}}
	got := holding(doubted, []store.Lease{{Shop: "a", Holder: "mine"}, {Shop: "b", Holder: "slow"}, {Shop: "c"}})
	if len(got) != 1 || got[0].Instance != "slow" {
		t.Errorf("waits for %v", got)
	}
}

func TestWebhookURLWarnings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		public, listen string
		want           []string
	}{
		{"https://hooks.example.dk/webhooks.php", "", nil},
		{"https://hooks.example.dk/webhooks.php?", "", nil},
		{"https://hooks.example.dk:8443/webhooks.php", "", nil},
		{"https://203.0.113.7/webhooks.php", "", nil},
		{"https://hooks.example.dk", "", []string{`its path is ""`}},
		{"https://hooks.example.dk/", "", []string{`its path is "/"`}},
		{"https://hooks.example.dk/webhooks.php/", "", []string{`its path is "/webhooks.php/"`}},
		{"https://hooks.example.dk/Webhooks.php", "", []string{`its path is "/Webhooks.php"`}},
		{"https://hooks.example.dk/lagerd/webhooks.php", "", []string{"map it in the proxy, or use https://hooks.example.dk/webhooks.php"}},
		{"http://localhost/webhooks.php", "", []string{"cannot reach http://localhost/webhooks.php"}},
		{"http://10.1.2.3/webhooks.php", "", []string{"cannot reach"}},
		{"http://[::1]:80/webhooks.php", "", []string{"cannot reach"}},
		{"http://[::ffff:192.168.0.1]/webhooks.php", "", []string{"cannot reach"}},
		{"http://shop/x", "", []string{`its path is "/x"`, "cannot reach"}},
		{"", "127.0.0.1:8480", []string{"cannot reach http://127.0.0.1:8480/webhooks.php"}},
		{"", "0.0.0.0:8480", []string{"cannot reach"}},
		{"", "[::]:8480", []string{"cannot reach"}},
		{"", ":8480", []string{"cannot reach"}},
		{"", "203.0.113.7:8480", nil},
	} {
		got := webhookURLWarnings(config.Config{Webhook: config.Webhook{PublicURL: c.public, Listen: c.listen}})
		ok := len(got) == len(c.want)
		for i := range min(len(got), len(c.want)) {
			ok = ok && strings.Contains(got[i], c.want[i])
		}
		if !ok {
			t.Errorf("%q, %q: %q", c.public, c.listen, got)
		}
	}
}
