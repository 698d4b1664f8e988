-- What the columns mean is said in ../mysql.
CREATE TABLE IF NOT EXISTS obstacles (
  shop      TEXT NOT NULL,
  what      TEXT NOT NULL,
  kind      TEXT NOT NULL DEFAULT '',
  number    TEXT NOT NULL DEFAULT '',
  scope     TEXT NOT NULL DEFAULT '',
  opened_at DATETIME NOT NULL,
  reason    TEXT NOT NULL DEFAULT '',
  detail    TEXT NOT NULL DEFAULT '',
  times     INTEGER NOT NULL DEFAULT 1,
  began_at  DATETIME NOT NULL,
  last_at   DATETIME NOT NULL,
  PRIMARY KEY (shop, what, kind, number, scope, opened_at)
);
CREATE INDEX IF NOT EXISTS obstacles_last ON obstacles (shop, last_at);
