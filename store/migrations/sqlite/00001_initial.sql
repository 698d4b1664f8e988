-- Text keys are compared byte by byte, trailing spaces included: e-conomic's
-- item numbers are strings, and "a" and "a " must not meet in one row.
-- SQLite's default collation does just that. Times are UTC texts of one width
-- (2006-01-02 15:04:05.000000), so they sort as they should; quantities are
-- texts, since SQLite has no exact decimals. What the columns mean is said in
-- ../mysql.

CREATE TABLE IF NOT EXISTS meta (
  name                   TEXT NOT NULL PRIMARY KEY,
  value                  INTEGER NOT NULL
);

INSERT OR IGNORE INTO meta (name, value) VALUES ('shops_generation', 0);

CREATE TABLE IF NOT EXISTS shops (
  shop                   TEXT NOT NULL PRIMARY KEY,
  grant_token            BLOB NOT NULL,
  stock_on               INTEGER NOT NULL DEFAULT 1,
  stock_figure           TEXT NOT NULL DEFAULT 'in_stock',
  stock_source           TEXT NOT NULL DEFAULT 'economic',
  invoices_on            INTEGER NOT NULL DEFAULT 1,
  invoices_from          TEXT NOT NULL DEFAULT '',
  invoices_from_number   INTEGER NOT NULL DEFAULT 0,
  order_field            TEXT NOT NULL DEFAULT 'references.other',
  order_pattern          TEXT NOT NULL DEFAULT '',
  paused_at              DATETIME NULL,
  pause_reason           TEXT NOT NULL DEFAULT '',
  generation             INTEGER NOT NULL DEFAULT 0,
  created_at             DATETIME NOT NULL,
  updated_at             DATETIME NOT NULL
);

CREATE TABLE IF NOT EXISTS shop_codes (
  shop                   TEXT NOT NULL,
  code_hash              BLOB NOT NULL,
  created_at             DATETIME NOT NULL,
  PRIMARY KEY (shop, code_hash)
);

CREATE TABLE IF NOT EXISTS instances (
  instance               TEXT NOT NULL PRIMARY KEY,
  beat                   INTEGER NOT NULL,
  beat_at                DATETIME NOT NULL,
  host                   TEXT NOT NULL,
  pid                    INTEGER NOT NULL,
  version                TEXT NOT NULL,
  started_at             DATETIME NOT NULL
);

CREATE TABLE IF NOT EXISTS leases (
  shop                   TEXT NOT NULL PRIMARY KEY,
  holder                 TEXT NOT NULL DEFAULT '',
  token                  INTEGER NOT NULL DEFAULT 0,
  applied_seq            INTEGER NOT NULL DEFAULT 0,
  taken_at               DATETIME NULL
);
CREATE INDEX IF NOT EXISTS leases_holder ON leases (holder);

CREATE TABLE IF NOT EXISTS progress (
  shop                   TEXT NOT NULL PRIMARY KEY,
  agreement_number       INTEGER NOT NULL DEFAULT 0,
  held                   TEXT NOT NULL DEFAULT '',
  held_detail            TEXT NOT NULL DEFAULT '',
  held_at                DATETIME NULL,
  suspicion              TEXT NOT NULL DEFAULT '',
  items                  INTEGER NOT NULL DEFAULT 0,
  items_cursor           DATETIME NULL,
  swept_at               DATETIME NULL,
  invoice_cursor         INTEGER NOT NULL DEFAULT 0,
  invoices_begun         INTEGER NOT NULL DEFAULT 0,
  invoices_swept_at      DATETIME NULL,
  tick_at                DATETIME NULL,
  failures               INTEGER NOT NULL DEFAULT 0,
  failure                TEXT NOT NULL DEFAULT '',
  missed_webhooks        INTEGER NOT NULL DEFAULT 0,
  late_webhooks          INTEGER NOT NULL DEFAULT 0,
  drift                  INTEGER NOT NULL DEFAULT 0,
  lags                   INTEGER NOT NULL DEFAULT 0,
  lag_last_us            INTEGER NOT NULL DEFAULT 0,
  lag_max_us             INTEGER NOT NULL DEFAULT 0,
  calls_day              TEXT NOT NULL DEFAULT '',
  calls                  INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS hints (
  shop                   TEXT NOT NULL,
  kind                   TEXT NOT NULL,
  number                 TEXT NOT NULL,
  seen_gen               INTEGER NOT NULL,
  done_gen               INTEGER NOT NULL DEFAULT 0,
  open                   INTEGER NOT NULL,
  cause                  TEXT NOT NULL,
  first_at               DATETIME NOT NULL,
  last_at                DATETIME NOT NULL,
  webhook_at             DATETIME NULL,
  due_at                 DATETIME NOT NULL,
  tries                  INTEGER NOT NULL DEFAULT 0,
  failures               INTEGER NOT NULL DEFAULT 0,
  note                   TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (shop, kind, number)
);
CREATE INDEX IF NOT EXISTS hints_due ON hints (open, shop, due_at);

CREATE TABLE IF NOT EXISTS items (
  shop                   TEXT NOT NULL,
  number                 TEXT NOT NULL,
  name                   TEXT NOT NULL,
  bar_code               TEXT NOT NULL DEFAULT '',
  barred                 INTEGER NOT NULL,
  inventory_enabled      INTEGER NOT NULL,
  in_stock               TEXT NULL,
  available              TEXT NULL,
  ordered_by_customers   TEXT NULL,
  ordered_from_suppliers TEXT NULL,
  stock                  TEXT NULL,
  state                  TEXT NOT NULL,
  economic_updated_at    DATETIME NULL,
  observed_token         INTEGER NOT NULL,
  observed_at            DATETIME NOT NULL,
  first_seen_at          DATETIME NOT NULL,
  changed_at             DATETIME NOT NULL,
  renumbered_to          TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (shop, number)
);

CREATE TABLE IF NOT EXISTS changes (
  shop                   TEXT NOT NULL,
  token                  INTEGER NOT NULL,
  seq                    INTEGER NOT NULL,
  n                      INTEGER NOT NULL,
  kind                   TEXT NOT NULL,
  number                 TEXT NOT NULL,
  what                   TEXT NOT NULL,
  old_stock              TEXT NULL,
  new_stock              TEXT NULL,
  old_in_stock           TEXT NULL,
  new_in_stock           TEXT NULL,
  old_available          TEXT NULL,
  new_available          TEXT NULL,
  old_state              TEXT NOT NULL DEFAULT '',
  new_state              TEXT NOT NULL DEFAULT '',
  cause                  TEXT NOT NULL,
  webhook                TEXT NOT NULL,
  economic_at            DATETIME NULL,
  hinted_at              DATETIME NULL,
  observed_at            DATETIME NOT NULL,
  committed_at           DATETIME NOT NULL,
  renumbered_to          TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (shop, token, seq, n)
);
CREATE INDEX IF NOT EXISTS changes_number ON changes (shop, kind, number, committed_at);
CREATE INDEX IF NOT EXISTS changes_committed ON changes (shop, committed_at);

CREATE TABLE IF NOT EXISTS invoices (
  shop                   TEXT NOT NULL,
  number                 INTEGER NOT NULL,
  credit_note            INTEGER NOT NULL,
  invoice_date           DATE NULL,
  due_date               DATE NULL,
  currency               TEXT NOT NULL,
  net                    TEXT NULL,
  vat                    TEXT NULL,
  gross                  TEXT NULL,
  rounding               TEXT NULL,
  net_base               TEXT NULL,
  gross_base             TEXT NULL,
  customer_number        INTEGER NOT NULL DEFAULT 0,
  recipient_name         TEXT NOT NULL DEFAULT '',
  other_reference        TEXT NOT NULL DEFAULT '',
  heading                TEXT NOT NULL DEFAULT '',
  text_line1             TEXT NOT NULL DEFAULT '',
  economic_order         INTEGER NOT NULL DEFAULT 0,
  order_number           TEXT NOT NULL DEFAULT '',
  found_at               DATETIME NOT NULL,
  committed_at           DATETIME NOT NULL,
  cause                  TEXT NOT NULL,
  lines_read             INTEGER NOT NULL DEFAULT 0,
  pdf_link               TEXT NOT NULL DEFAULT '',
  pdf_state              TEXT NOT NULL DEFAULT 'pending',
  pdf_sha256             TEXT NOT NULL DEFAULT '',
  pdf_size               INTEGER NOT NULL DEFAULT 0,
  pdf_stored_at          DATETIME NULL,
  work_due_at            DATETIME NULL,
  work_tries             INTEGER NOT NULL DEFAULT 0,
  work_error             TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (shop, number)
);
CREATE INDEX IF NOT EXISTS invoices_order ON invoices (shop, order_number);
CREATE INDEX IF NOT EXISTS invoices_work ON invoices (work_due_at);

CREATE TABLE IF NOT EXISTS invoice_pdfs (
  shop                   TEXT NOT NULL,
  number                 INTEGER NOT NULL,
  pdf                    BLOB NOT NULL,
  PRIMARY KEY (shop, number)
);

CREATE TABLE IF NOT EXISTS invoice_gaps (
  shop                   TEXT NOT NULL,
  from_number            INTEGER NOT NULL,
  to_number              INTEGER NOT NULL,
  seen_at                DATETIME NOT NULL,
  PRIMARY KEY (shop, from_number)
);

CREATE TABLE IF NOT EXISTS requests (
  request                TEXT NOT NULL PRIMARY KEY,
  shop                   TEXT NOT NULL,
  what                   TEXT NOT NULL,
  requested_at           DATETIME NOT NULL,
  done_at                DATETIME NULL,
  changes                INTEGER NOT NULL DEFAULT 0,
  failure                TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS requests_open ON requests (done_at, shop);

CREATE TABLE IF NOT EXISTS webhook_calls (
  shop                   TEXT NOT NULL,
  slot                   INTEGER NOT NULL,
  called_at              DATETIME NOT NULL,
  method                 TEXT NOT NULL,
  remote                 TEXT NOT NULL,
  kind                   TEXT NOT NULL,
  number                 TEXT NOT NULL,
  status                 INTEGER NOT NULL,
  outcome                TEXT NOT NULL,
  duration_us            INTEGER NOT NULL,
  PRIMARY KEY (shop, slot)
);

CREATE VIEW IF NOT EXISTS shop_stock AS
SELECT i.shop, i.number AS item_number, i.name, i.stock, i.state, i.barred, i.in_stock, i.available,
       i.ordered_by_customers, i.ordered_from_suppliers, i.bar_code, i.renumbered_to,
       i.changed_at, i.economic_updated_at, p.tick_at AS confirmed_at
FROM items i JOIN shops s ON s.shop = i.shop JOIN progress p ON p.shop = i.shop
WHERE s.stock_on;

CREATE VIEW IF NOT EXISTS shop_invoices AS
SELECT v.shop, v.number AS invoice_number,
       CASE WHEN v.credit_note THEN 'credit_note' ELSE 'invoice' END AS kind,
       v.order_number, v.invoice_date, v.due_date, v.currency, v.net, v.vat, v.gross, v.rounding,
       v.net_base, v.gross_base, v.customer_number, v.recipient_name,
       v.pdf_state, v.pdf_sha256, v.pdf_size, v.pdf_stored_at, b.pdf, v.found_at
FROM invoices v LEFT JOIN invoice_pdfs b ON b.shop = v.shop AND b.number = v.number;
