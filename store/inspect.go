package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// Finding is the result of one check of the database.
type Finding struct {
	What string // what was checked
	Good string // what was found, if Err is nil
	Err  error  // what is wrong, and what to do about it
}

// Inspect checks everything in the database that lagerd relies on and cannot fix itself,
// and returns all findings, good ones included. pdfBytes is the size of the largest PDF
// to store. The schema must be this lagerd's (CheckSchema). It changes nothing.
func (s *Store) Inspect(ctx context.Context, pdfBytes int64) []Finding {
	var list []Finding
	look := func(what string, look func(context.Context) (string, error)) error {
		good, err := look(ctx)
		list = append(list, Finding{What: what, Good: good, Err: explain(err)})
		return err
	}
	if err := look("database takes webhooks", s.takesWebhooks); !readOnly(err) && !s.dialect.isSQLite() {
		_ = look("database account", s.hasRights)
	}
	if !s.dialect.isSQLite() {
		_ = look("database tables", s.tablesAreSound)
		_ = look("binary log", s.binlogTakesRows)
		_ = look("max_allowed_packet", func(ctx context.Context) (string, error) { return s.packetsFit(ctx, pdfBytes) })
	}
	if s.dialect.isSQLite() && !s.handedIn() {
		_ = look("database files", s.filesArePrivate)
	}
	_ = look("views for the shop's software", s.viewsCanBeRead)
	return list
}

// Server returns the kind and version of the database.
func (s *Store) Server() string {
	if s.sessions == nil {
		return "embedded SQLite"
	}
	if version := s.sessions.server.version; !isMariaDB(version) {
		return "MySQL " + version
	}
	return "MariaDB " + strings.TrimSuffix(s.sessions.server.version, "-MariaDB")
}

// CanRecord returns nil if a webhook could be stored now, else the database's error. It
// stores nothing.
func (s *Store) CanRecord(ctx context.Context) error {
	if s.dialect.isSQLite() {
		// A write would wait for other writers.
		if err := s.Ping(ctx); err != nil {
			return err
		}
		return s.moved()
	}
	_, err := s.conn.ExecContext(ctx, "INSERT INTO hint_batches (shop, hints, first_at, data) SELECT name, 0, '2000-01-01', '' FROM meta WHERE name = ''")
	if err != nil {
		if readOnly(err) || hasNumber(err, errStatementBinlog) {
			s.sessions.renew()
		}
		return explain(fmt.Errorf("store webhooks: %w", err))
	}
	return nil
}

// Probe returns nil if a webhook could be stored now, else the database's error. Unlike
// CanRecord it finds out by storing one, of no shop, and deleting it, in one transaction that
// it commits: only that shows a full disk.
func (s *Store) Probe(ctx context.Context) error {
	err := s.inTx(ctx, func(t *tx) error {
		t.exec("INSERT INTO hint_batches (shop, hints, first_at, data, set_aside) VALUES ('', 0, ?, ?, 1)", At(time.Now()), strings.Repeat(" ", probeBytes))
		t.exec("DELETE FROM hint_batches WHERE shop = '' AND set_aside = 1 AND hints = 0")
		return nil
	})
	if err != nil {
		return explain(fmt.Errorf("store webhooks: %w", err))
	}
	return nil
}

// probeBytes is about the size of a few webhooks.
const probeBytes = 512

// ReadOnly returns the server's error, with what to do, if it accepts no writes at all.
// It stores nothing.
func (s *Store) ReadOnly(ctx context.Context) error {
	if err := s.CanRecord(ctx); readOnly(err) {
		return err
	}
	return nil
}

func (s *Store) takesWebhooks(ctx context.Context) (string, error) {
	if err := s.CanRecord(ctx); err != nil {
		return "", err
	}
	return "writable", nil
}

var makesTable = regexp.MustCompile(`^CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)

// ownTables returns the tables that the migrations create.
func (s *Store) ownTables() ([]string, error) {
	list, err := s.migrations()
	tables := map[string]bool{}
	for _, m := range list {
		for _, statement := range m.statements {
			if made := makesTable.FindStringSubmatch(statement); made != nil {
				tables[made[1]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(tables)), err
}

// hasRights has the server plan a statement of each kind for each table: it refuses to
// plan one that the account may not run.
func (s *Store) hasRights(ctx context.Context) (string, error) {
	tables, err := s.ownTables()
	if err != nil {
		return "", err
	}
	var lacks []error
	for _, table := range tables {
		for _, statement := range []string{
			"SELECT * FROM " + table + " LIMIT 0", "EXPLAIN INSERT INTO " + table + " SELECT * FROM " + table + " WHERE 1 = 0",
			"EXPLAIN DELETE FROM " + table + " WHERE 1 = 0",
		} {
			err := s.reads(ctx, statement)
			switch {
			case hasNumber(err, errNoTable): // of an older schema, dropped since
			case err != nil:
				lacks = append(lacks, err)
			}
		}
	}
	// No form of UPDATE fits every table.
	if err := s.reads(ctx, "EXPLAIN UPDATE leases SET token = token WHERE 1 = 0"); err != nil {
		lacks = append(lacks, err)
	}
	if len(lacks) > 0 {
		return "", fmt.Errorf("%w (%d statements refused)", lacks[0], len(lacks))
	}
	return "reads and writes every table", nil
}

// reads runs a query and drops its rows.
func (s *Store) reads(ctx context.Context, query string) error {
	rows, err := s.conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close()) //nolint:sqlclosecheck // closed here, since Close may fail
}

// otherEngines returns the engines of those of lagerd's tables that are not InnoDB, by
// table name.
func (s *Store) otherEngines(ctx context.Context, conn *sql.DB) (engines map[string]string, err error) {
	own, err := s.ownTables()
	if err != nil {
		return nil, err
	}
	fail := func(err error) (map[string]string, error) {
		return nil, fmt.Errorf("read the tables' engines: %w", err)
	}
	rows, err := conn.QueryContext(ctx, "SELECT table_name AS name, engine AS engine FROM information_schema.tables"+
		" WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	engines = map[string]string{}
	for rows.Next() {
		var name, engine string
		if err := rows.Scan(&name, &engine); err != nil {
			return fail(err)
		}
		// The database may hold other applications' tables.
		if slices.Contains(own, name) || name == goose.DefaultTablename {
			engines[name] = engine
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return engines, nil
}

const transactional = "ENGINE=InnoDB ROW_FORMAT=DYNAMIC"

// CheckTables returns an error if one of lagerd's tables has no transactions: an
// acknowledged webhook could then be lost, and a change stored by half.
func (s *Store) CheckTables(ctx context.Context) error {
	if s.dialect.isSQLite() {
		return nil
	}
	_, err := s.tablesAreSound(ctx)
	return explain(err)
}

func (s *Store) tablesAreSound(ctx context.Context) (string, error) {
	engines, err := s.otherEngines(ctx, s.conn)
	if err != nil {
		return "", err
	}
	if len(engines) > 0 {
		return "", &explained{noTransactions(engines), "stop every lagerd and run `lagerd migrate`, which converts them to InnoDB"}
	}
	return "InnoDB", nil
}

func noTransactions(engines map[string]string) error {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(engines)) {
		list = append(list, name+" ("+engines[name]+")")
	}
	return fmt.Errorf("tables without transactions: %s", strings.Join(list, ", "))
}

// sound reports whether a migration has nothing to repair.
func (s *Store) sound(ctx context.Context) bool {
	if s.CheckTables(ctx) != nil {
		return false
	}
	return s.viewsAreSound(ctx)
}

// convertTables converts lagerd's other tables to InnoDB. On Galera it does not: each
// node may hold different rows of such a table, and a person has to choose.
func (s *Store) convertTables(ctx context.Context, conn *sql.DB) error {
	if s.dialect.isSQLite() {
		return nil
	}
	engines, err := s.otherEngines(ctx, conn)
	if err != nil || len(engines) == 0 {
		return err
	}
	galera, err := s.variable(ctx, "wsrep_on")
	if err != nil {
		return err
	}
	if on(galera) {
		return &explained{noTransactions(engines), "Galera does not replicate them, so each node may hold different rows: stop every lagerd, choose the node whose rows to keep, and run there for each: ALTER TABLE … " + transactional}
	}
	for _, name := range slices.Sorted(maps.Keys(engines)) {
		if _, err := conn.ExecContext(ctx, "ALTER TABLE "+name+" "+strings.Replace(transactional, " ", ", ", 1)); err != nil {
			return fmt.Errorf("convert the table %s from %s to InnoDB: %w", name, engines[name], err)
		}
		if s.log != nil {
			s.log.Warn("converted a table without transactions to InnoDB", "table", name, "engine", engines[name])
		}
	}
	return nil
}

// variable returns a variable of the session, or "" if the server has none of that name.
func (s *Store) variable(ctx context.Context, name string) (value string, err error) {
	err = s.conn.QueryRowContext(ctx, "SHOW VARIABLES WHERE Variable_name = '"+name+"'").Scan(&name, &value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read the server's %s: %w", name, err)
	}
	return value, nil
}

func (s *Store) binlogTakesRows(ctx context.Context) (string, error) {
	log, err := s.variable(ctx, "log_bin")
	if err != nil || !on(log) {
		return "is off", err
	}
	format, err := s.variable(ctx, "binlog_format")
	switch {
	case err != nil:
		return "", err
	case strings.EqualFold(format, "STATEMENT"):
		return "", &explained{errors.New("the binary log's format is STATEMENT, which rejects everything lagerd writes"), whatToDoFor[errStatementBinlog]}
	}
	return "format " + format, nil
}

// roomForPDF is how much larger a packet is than the PDF in it.
const roomForPDF = 64 << 10

func (s *Store) packetsFit(ctx context.Context, pdfBytes int64) (string, error) {
	text, err := s.variable(ctx, "max_allowed_packet")
	if err != nil {
		return "", err
	}
	most, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return "", fmt.Errorf("max_allowed_packet: %w", err)
	}
	if need := pdfBytes + roomForPDF; most < need {
		return "", fmt.Errorf("the server's max_allowed_packet is %d, but a PDF of pdf.max_bytes needs %d: raise max_allowed_packet or lower pdf.max_bytes", most, need)
	}
	return text + " bytes", nil
}

var makesView = regexp.MustCompile(`^CREATE (?:OR REPLACE )?(?:ALGORITHM=MERGE SQL SECURITY DEFINER )?VIEW (?:IF NOT EXISTS )?(\w+)`)

// views returns the newest statement that creates each view, by the view's name.
func (s *Store) views() (map[string]string, error) {
	list, err := s.migrations()
	views := map[string]string{}
	for _, m := range list {
		for _, statement := range m.statements {
			if made := makesView.FindStringSubmatch(statement); made != nil {
				views[made[1]] = statement
			}
		}
	}
	return views, err
}

// viewsCanBeRead reads each view: the server then checks the account that created it,
// whose privileges every reader uses. It also compares what the views show with what they
// are to show.
func (s *Store) viewsCanBeRead(ctx context.Context) (string, error) {
	var bad []error
	for _, name := range viewNames {
		if err := s.reads(ctx, "SELECT * FROM "+name+" LIMIT 0"); err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", name, err))
		}
	}
	if len(bad) > 0 {
		return "", &explained{errors.Join(bad...), whatToDoFor[errNoDefiner]}
	}
	want, err := s.wantedForm(ctx)
	if err != nil {
		return "", err
	}
	for _, name := range viewNames {
		switch form, err := s.formOf(ctx, name); {
		case err != nil:
			return "", err
		case form == viewUnknown:
			return "", fmt.Errorf("%s: lagerd's account may not look at its definition, so it cannot tell which shops a reader sees: grant it SHOW VIEW (`lagerd check --grants`)", name)
		case form != want:
			return "", fmt.Errorf("%s shows %s, but is to show %s: `lagerd migrate` recreates it", name, form, want)
		}
	}
	return strings.Join(viewNames, ", ") + " can be read", nil
}

// viewsAreSound reports whether a migration has no view to recreate. A definition that
// lagerd's account may not look at counts as right: it may not recreate the view either.
func (s *Store) viewsAreSound(ctx context.Context) bool {
	for _, name := range viewNames {
		if again, err := s.isStale(ctx, name); err != nil || again != nil {
			return false
		}
	}
	return true
}

// isStale returns why a view is to be recreated, or nil.
func (s *Store) isStale(ctx context.Context, name string) (why, err error) {
	if why := s.reads(ctx, "SELECT * FROM "+name+" LIMIT 0"); why != nil {
		return why, nil
	}
	want, err := s.wantedForm(ctx)
	if err != nil {
		return nil, err
	}
	form, err := s.formOf(ctx, name)
	if err == nil && form != viewUnknown && form != want {
		why = fmt.Errorf("it shows %s, but is to show %s", form, want)
	}
	return why, err
}

// renewViews recreates the views that cannot be read, or show something else than they
// are to show.
func (s *Store) renewViews(ctx context.Context, conn *sql.DB) error {
	want, err := s.wantedForm(ctx)
	if err != nil {
		return err
	}
	views, err := s.viewsFor(want == viewOfOwn)
	if err != nil {
		return err
	}
	for _, name := range viewNames {
		why, err := s.isStale(ctx, name)
		if err != nil {
			return err
		}
		if why == nil {
			continue
		}
		if _, err := conn.ExecContext(ctx, views[name]); err != nil {
			return fmt.Errorf("recreate the view %s: %w", name, err)
		}
		if s.log != nil {
			s.log.Warn("recreated a view", "view", name, "why", why)
		}
	}
	return nil
}
