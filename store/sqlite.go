package store

import (
	"database/sql"

	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
)

// sqliteDialector connects gorm to modernc.org/sqlite, which is pure Go. gorm's own
// SQLite driver needs cgo, and its pure-Go forks are pinned to a years-old engine.
// Migrations create lagerd's schema, so it needs no gorm migrator.
type sqliteDialector struct{ conn *sql.DB }

func (sqliteDialector) Name() string { return "sqlite" }

func (d sqliteDialector) Initialize(db *gorm.DB) error {
	db.ConnPool = d.conn
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{LastInsertIDReversed: true})
	return nil
}

func (sqliteDialector) Migrator(*gorm.DB) gorm.Migrator { return nil }

func (sqliteDialector) DataTypeOf(*schema.Field) string { return "" }

func (sqliteDialector) DefaultValueOf(*schema.Field) clause.Expression {
	return clause.Expr{SQL: "NULL"}
}

func (sqliteDialector) BindVarTo(w clause.Writer, _ *gorm.Statement, _ any) { _ = w.WriteByte('?') }

func (sqliteDialector) QuoteTo(w clause.Writer, name string) {
	_ = w.WriteByte('`')
	for i := range len(name) {
		if name[i] == '.' {
			_, _ = w.WriteString("`.`")
			continue
		}
		_ = w.WriteByte(name[i])
	}
	_ = w.WriteByte('`')
}

func (sqliteDialector) Explain(query string, vars ...any) string {
	return logger.ExplainSQL(query, nil, `'`, vars...)
}
