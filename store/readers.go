package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"gorm.io/gorm"

	"lagerd/store/dsn"
	"lagerd/store/rights"
)

//go:embed views
var readersViews embed.FS

// Reader is an account of the database server that may read the views, by its user name
// without the host.
type Reader struct {
	Account string
	Shop    string // which it sees; "": all shops
}

var (
	// ErrNoAccounts is returned by everything about readers on the embedded database.
	ErrNoAccounts = errors.New("the embedded database is a file and has no accounts: whoever can read the file reads every shop; with MySQL or MariaDB (database.dsn) each account sees its own shop")
	// ErrReadsOther is returned when an account already reads another shop, or all of them.
	ErrReadsOther = errors.New("an account sees one shop or all")
	// ErrNoReader is returned when an account does not have what is to be revoked.
	ErrNoReader = errors.New("there is nothing to revoke: see `lagerd shops readers`")
)

// readersEnforced names the flag that is 1 where a reader sees only its own shop.
const readersEnforced = "readers_enforced"

// ReadersEnforced reports whether a reader sees only its own shop. On the embedded
// database it returns false.
func (s *Store) ReadersEnforced(ctx context.Context) (bool, error) {
	var value int64
	err := s.conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", readersEnforced).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil // SQLite
	}
	if err != nil {
		return false, fmt.Errorf("read whether readers are enforced: %w", err)
	}
	return value != 0, nil
}

// longestAccount is the longest user name: MySQL's limit, and MariaDB's.
const longestAccount, longestMariaDBAccount = 32, 128

// checkAccount returns an error if no account can have that name, or the views would not
// recognize it.
func (s *Store) checkAccount(name string) error {
	longest := longestAccount
	if isMariaDB(s.sessions.server.version) {
		longest = longestMariaDBAccount
	}
	// USER() returns utf8mb3, so a character beyond it would look like any other.
	const beyond = 0xFFFF
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r > beyond || r == unicode.ReplacementChar }
	switch {
	case name == "":
		return errors.New("account \"\": expected a user name: an anonymous account has the name that its client gives, so it could be anybody")
	case strings.ContainsRune(name, '@'):
		return fmt.Errorf("account %q: expected the user name alone, without @ and a host: a name is one reader, whatever host it logs in from", name)
	case strings.ContainsFunc(name, odd), strings.TrimSpace(name) != name, len([]rune(name)) > longest:
		return fmt.Errorf("account %q: expected at most %d printable characters, without blanks around them", name, longest)
	}
	return nil
}

// GrantReader lets an account see one shop. Granting it again changes nothing.
func (s *Store) GrantReader(ctx context.Context, account, shop string, now time.Time) error {
	return s.changeReaders(ctx, "grant "+shop+" to "+account, account, func(db *gorm.DB) error {
		if _, err := oneShop(db, shop); err != nil {
			return err
		}
		has, err := readerOf(db, account)
		switch {
		case err != nil:
			return err
		case has == nil:
			return db.Exec("INSERT INTO readers (account, shop, sees, granted_at) VALUES (?,?,?,?)", account, shop, shop, At(now)).Error
		case has.Shop == "":
			return fmt.Errorf("%s sees all shops: %w: revoke that first with `lagerd shops revoke --all --account %s`", account, ErrReadsOther, account)
		case has.Shop != shop:
			return fmt.Errorf("%s sees %s: %w: revoke that first with `lagerd shops revoke %s --account %s`, or create another account", account, has.Shop, ErrReadsOther, has.Shop, account)
		}
		return nil
	})
}

// GrantReaderOfAll lets an account see all shops, those added later too. Granting it
// again changes nothing.
func (s *Store) GrantReaderOfAll(ctx context.Context, account string, now time.Time) error {
	return s.changeReaders(ctx, "grant all shops to "+account, account, func(db *gorm.DB) error {
		has, err := readerOf(db, account)
		switch {
		case err != nil:
			return err
		case has != nil && has.Shop != "":
			return fmt.Errorf("%s sees %s: %w: revoke that first with `lagerd shops revoke %s --account %s`", account, has.Shop, ErrReadsOther, has.Shop, account)
		case has != nil:
			return nil
		}
		return db.Exec("INSERT INTO readers_of_all (account, shop, sees, granted_at) SELECT ?, '', '', ? UNION ALL SELECT ?, shop, shop, ? FROM shops",
			account, At(now), account, At(now)).Error
	})
}

// RevokeReader ends that an account sees a shop, or all shops if shop is "".
func (s *Store) RevokeReader(ctx context.Context, account, shop string) error {
	revoked := false // an earlier try may have been committed and its answer lost
	return s.changeReaders(ctx, "revoke "+account, account, func(db *gorm.DB) error {
		has, err := readerOf(db, account)
		if err != nil {
			return err
		}
		if has == nil || has.Shop != shop {
			if revoked {
				return nil
			}
			return ErrNoReader
		}
		revoked = true
		table := "readers"
		if shop == "" {
			table = "readers_of_all"
		}
		return db.Exec("DELETE FROM "+table+" WHERE account = ?", account).Error
	})
}

// changeReaders runs change in a transaction.
func (s *Store) changeReaders(ctx context.Context, what, account string, change func(db *gorm.DB) error) error {
	if s.dialect.isSQLite() {
		return ErrNoAccounts
	}
	if err := s.checkAccount(account); err != nil {
		return err
	}
	err := s.retry(ctx, func() error {
		return s.db.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			if err := countReaderChange(db); err != nil {
				return err
			}
			return change(db)
		})
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// countReaderChange makes a transaction wait for every other that changes the readers, or
// conflict with it: an account that is to see all and a shop that is added must not miss
// each other, and on Galera only what both write tells.
func countReaderChange(db *gorm.DB) error {
	return db.Exec("UPDATE meta SET value = value + 1 WHERE name = 'readers_changed'").Error
}

// readerOf returns what an account sees, or nil if it is no reader.
func readerOf(db *gorm.DB, account string) (*Reader, error) {
	var list []Reader
	err := db.Raw("SELECT account, shop FROM readers WHERE account = ? UNION ALL SELECT account, shop FROM readers_of_all WHERE account = ? AND shop = ''", account, account).Scan(&list).Error
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// addToReadersOfAll lets the accounts that see all see a new shop.
func addToReadersOfAll(db *gorm.DB, shop string, now time.Time) error {
	if err := countReaderChange(db); err != nil {
		return err
	}
	return db.Exec("INSERT INTO readers_of_all (account, shop, sees, granted_at) SELECT account, ?, ?, ? FROM readers_of_all WHERE shop = ''", shop, shop, At(now)).Error
}

// Readers returns the accounts that see a shop, or all accounts if shop is "", by name;
// those that see all come last.
func (s *Store) Readers(ctx context.Context, shop string) ([]Reader, error) {
	if s.dialect.isSQLite() {
		return nil, ErrNoAccounts
	}
	var list []Reader
	err := s.db.WithContext(ctx).Raw("SELECT account, shop FROM readers WHERE shop = ? OR ? = '' ORDER BY account", shop, shop).Scan(&list).Error
	if err == nil {
		var all []Reader
		err = s.db.WithContext(ctx).Raw("SELECT account, '' AS shop FROM readers_of_all WHERE shop = '' ORDER BY account").Scan(&all).Error
		list = append(list, all...)
	}
	if err != nil {
		return nil, fmt.Errorf("read the readers: %w", err)
	}
	return list, nil
}

// ShopsWithoutReader returns the shops that no account sees, by name.
func (s *Store) ShopsWithoutReader(ctx context.Context) ([]string, error) {
	shops, err := s.numbers(ctx, "SELECT s.shop FROM shops s WHERE NOT EXISTS (SELECT 1 FROM readers r WHERE r.shop = s.shop)"+
		" AND NOT EXISTS (SELECT 1 FROM readers_of_all a WHERE a.shop = s.shop) ORDER BY s.shop")
	if err != nil {
		return nil, fmt.Errorf("find the shops without a reader: %w", err)
	}
	return shops, nil
}

// EnforceReaders makes each reader see only its own shop, from the next statement on. The
// flag is set after the views are there: until then nothing claims that it is enforced.
func (s *Store) EnforceReaders(ctx context.Context) error {
	if s.dialect.isSQLite() {
		return ErrNoAccounts
	}
	unlock, err := s.lockMigration(ctx, s.conn)
	if err != nil {
		return explain(err)
	}
	defer unlock()
	views, err := s.viewsFor(true)
	if err != nil {
		return err
	}
	if err := s.createViews(ctx, views); err != nil {
		// One view may have been replaced: none is to differ from what is claimed.
		return explain(fmt.Errorf("enforce readers: %w", errors.Join(err, s.renewViews(context.WithoutCancel(ctx), s.conn))))
	}
	if _, err := s.exec(ctx, "UPDATE meta SET value = 1 WHERE name = ?", readersEnforced); err != nil {
		return explain(fmt.Errorf("enforce readers: %w", err))
	}
	return nil
}

// readersWait is for how many seconds the views' replacement waits for readers.
const readersWait = 10

// createViews replaces the views. It gives up on one that is in use for longer than
// readersWait: whoever reads it next would wait too.
func (s *Store) createViews(ctx context.Context, views map[string]string) (err error) {
	conn, err := s.conn.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var before int64 // the DSN may have set it
	if err := conn.QueryRowContext(ctx, "SELECT @@SESSION.lock_wait_timeout").Scan(&before); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout = %d", readersWait)); err != nil {
		return err
	}
	defer func() {
		_, reset := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("SET SESSION lock_wait_timeout = %d", before))
		err = errors.Join(err, reset)
	}()
	for _, name := range viewNames {
		if _, err := conn.ExecContext(ctx, views[name]); err != nil {
			if hasNumber(err, errLockWaitTimeout) {
				err = fmt.Errorf("%w: a reader has had a transaction open on it for %d s: end it, and try again", err, readersWait)
			}
			return fmt.Errorf("create the view %s: %w", name, err)
		}
	}
	return nil
}

// ServerAccount is an account of the server.
type ServerAccount struct{ User, Host string }

// ServerAccounts returns the server's accounts, and those that act as another (proxies),
// if lagerd's account may look at them.
func (s *Store) ServerAccounts(ctx context.Context) (accounts, proxies []ServerAccount, ok bool) {
	if s.dialect.isSQLite() {
		return nil, nil, false
	}
	list := func(query string) (list []ServerAccount, err error) {
		rows, err := s.conn.QueryContext(ctx, query)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var a ServerAccount
			if err := rows.Scan(&a.User, &a.Host); err != nil {
				return nil, err
			}
			list = append(list, a)
		}
		return list, rows.Err()
	}
	accounts, err := list("SELECT User, Host FROM mysql.user ORDER BY User, Host")
	if err != nil {
		return nil, nil, false
	}
	// The server's own entry says only that root may appoint proxies.
	proxies, err = list("SELECT DISTINCT User, Host FROM mysql.proxies_priv WHERE Proxied_user <> '' ORDER BY User, Host")
	return accounts, proxies, err == nil
}

// GrantsForReader returns the statements with which a server's administrator lets an
// account read the views, the same on MySQL and MariaDB.
func (s *Store) GrantsForReader(account, host string) []string {
	of := quoteText(account) + "@" + quoteText(host)
	statements := []string{"CREATE USER IF NOT EXISTS " + of + " IDENTIFIED BY '…';"}
	for _, view := range viewNames {
		statements = append(statements, "GRANT SELECT ON "+s.quoted(view)+" TO "+of+";")
	}
	return statements
}

// RevokesForReader returns the statements with which a server's administrator takes the
// views from an account again.
func (s *Store) RevokesForReader(account, host string) []string {
	of := quoteText(account) + "@" + quoteText(host)
	var statements []string
	for _, view := range viewNames {
		statements = append(statements, "REVOKE SELECT ON "+s.quoted(view)+" FROM "+of+";")
	}
	return statements
}

// quoted returns the full name of a view.
func (s *Store) quoted(view string) string {
	return quoteName(s.settings.DBName) + "." + quoteName(view)
}

func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// quoteText returns a string literal that means the same in every sql_mode, as long as
// it has no backslash at its end.
func quoteText(text string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "'", "''") + "'"
}

// Grants are the statements with which a server's administrator makes lagerd's database and
// account, and gives the account what it needs. The password is left open.
type Grants struct{ Database, Account, Running, Migrating string }

// GrantsFor returns the statements for the database and the account of a DSN; neither need
// exist. With open, a store on that DSN, they name the account as the server does.
func GrantsFor(ctx context.Context, address string, open *Store) (Grants, error) {
	cfg, err := dsn.Parse(address)
	if err != nil || cfg.DBName == "" {
		return Grants{}, errors.New("database.dsn: it names no database that can be read")
	}
	// In a grant on a whole database these characters are wildcards, except on a MySQL
	// with partial_revokes.
	name, account := strings.NewReplacer("_", `\_`, "%", `\%`).Replace(cfg.DBName), quoteText(cfg.User)+"@'%'"
	if open != nil {
		var current string
		if err := open.conn.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&current); err == nil {
			if at := strings.LastIndexByte(current, '@'); at >= 0 {
				account = quoteText(current[:at]) + "@" + quoteText(current[at+1:])
			}
		}
		if literal, err := open.variable(ctx, "partial_revokes"); err == nil && on(literal) {
			name = cfg.DBName
		}
	}
	grant := func(list string) string { return "GRANT " + list + " ON " + quoteName(name) + ".* TO " + account + ";" }
	return Grants{
		Database: "CREATE DATABASE IF NOT EXISTS " + quoteName(cfg.DBName) + " CHARACTER SET " + dsn.Charset + ";",
		Account:  "CREATE USER IF NOT EXISTS " + account + " IDENTIFIED BY '…';",
		Running:  grant(rights.Running), Migrating: grant(rights.Migrating),
	}, nil
}

// viewNames are the views, the contract with the shops' software.
var viewNames = []string{"shop_invoices", "shop_stock", "shop_stock_places"}

// readerName is the name under which a session has logged in: what stands before the last
// @ of USER(), since a name may contain one and a host may not.
const readerName = "CONVERT(NULLIF(LEFT(USER(), CHAR_LENGTH(USER()) - LOCATE('@', REVERSE(USER()))), '') USING utf8mb4)"

// viewsFor returns the statements that create the views, by name: those of the
// migrations, which show all shops, or those that show a reader its own.
func (s *Store) viewsFor(enforced bool) (map[string]string, error) {
	if !enforced || s.dialect.isSQLite() {
		return s.views()
	}
	file := "views/mysql.sql"
	if s.sessions != nil && isMariaDB(s.sessions.server.version) {
		file = "views/mariadb.sql"
	}
	text, err := readersViews.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	views := map[string]string{}
	for _, statement := range splitStatements(strings.ReplaceAll(string(text), "{{reader}}", readerName)) {
		if made := makesView.FindStringSubmatch(statement); made != nil {
			views[made[1]] = statement
		}
	}
	return views, nil
}

// viewForm is what a view shows.
type viewForm string

const (
	viewUnknown viewForm = "" // lagerd's account may not look at its definition
	viewOfAll   viewForm = "every shop to everyone"
	viewOfOwn   viewForm = "each reader its own shop"
)

// wantedForm returns what the views are to show.
func (s *Store) wantedForm(ctx context.Context) (viewForm, error) {
	enforced, err := s.ReadersEnforced(ctx)
	if enforced {
		return viewOfOwn, err
	}
	return viewOfAll, err
}

// formOf returns what a view shows, by its definition on the server.
func (s *Store) formOf(ctx context.Context, view string) (viewForm, error) {
	if s.dialect.isSQLite() {
		return viewOfAll, nil
	}
	var definition, security string
	err := s.conn.QueryRowContext(ctx, "SELECT COALESCE(view_definition, ''), security_type FROM information_schema.views WHERE table_schema = DATABASE() AND table_name = ?", view).Scan(&definition, &security)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && definition == "":
		return viewUnknown, nil
	case err != nil:
		return viewUnknown, fmt.Errorf("read the definition of %s: %w", view, err)
	case slices.ContainsFunc([]string{"`readers`", "`readers_of_all`"}, func(table string) bool { return !strings.Contains(definition, table) }):
		return viewOfAll, nil
	}
	return viewOfOwn, nil
}
