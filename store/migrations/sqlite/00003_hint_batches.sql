CREATE TABLE IF NOT EXISTS hint_batches (
  id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  shop      TEXT NOT NULL,
  hints     INTEGER NOT NULL,
  first_at  DATETIME NOT NULL,
  data      TEXT NOT NULL,
  set_aside INTEGER NOT NULL DEFAULT 0,
  error     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS hint_batches_shop ON hint_batches (shop, set_aside, id);
