-- Webhooks that no hint was kept for: a sweep that began after them reads what they pointed at.
CREATE TABLE IF NOT EXISTS hint_marks (
  id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  shop     TEXT NOT NULL,
  kind     TEXT NOT NULL,
  hints    INTEGER NOT NULL,
  first_at DATETIME NOT NULL,
  last_at  DATETIME NOT NULL
);
CREATE INDEX IF NOT EXISTS hint_marks_shop ON hint_marks (shop, kind, id);

ALTER TABLE progress ADD COLUMN old_invoice_hints INTEGER NOT NULL DEFAULT 0;
