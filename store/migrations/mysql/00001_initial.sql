-- Text keys are compared byte by byte, trailing spaces included: e-conomic's
-- item numbers are strings, and "a" and "a " must not meet in one row.
-- {{collation}} is utf8mb4_nopad_bin on MariaDB and utf8mb4_0900_bin on MySQL.
-- Times are UTC with microseconds, quantities exact decimals.

CREATE TABLE IF NOT EXISTS meta (
  name  VARCHAR(64) NOT NULL PRIMARY KEY,
  value BIGINT      NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

INSERT IGNORE INTO meta (name, value) VALUES ('shops_generation', 0);

CREATE TABLE IF NOT EXISTS shops (
  shop                VARCHAR(64)    NOT NULL PRIMARY KEY,
  grant_token         VARBINARY(512) NOT NULL COMMENT 'sealed with the master key',
  stock_on            BOOLEAN        NOT NULL DEFAULT TRUE,
  stock_figure        VARCHAR(16)    NOT NULL DEFAULT 'in_stock',
  stock_source        VARCHAR(16)    NOT NULL DEFAULT 'economic',
  invoices_on         BOOLEAN        NOT NULL DEFAULT TRUE,
  invoices_from       VARCHAR(10)    NOT NULL DEFAULT '' COMMENT 'a date, YYYY-MM-DD; empty where a number is given',
  invoices_from_number BIGINT        NOT NULL DEFAULT 0,
  order_field         VARCHAR(32)    NOT NULL DEFAULT 'references.other',
  order_pattern       VARCHAR(255)   NOT NULL DEFAULT '',
  paused_at           DATETIME(6)    NULL,
  pause_reason        VARCHAR(255)   NOT NULL DEFAULT '',
  generation          BIGINT         NOT NULL DEFAULT 0 COMMENT 'meta.shops_generation at its last change',
  created_at          DATETIME(6)    NOT NULL,
  updated_at          DATETIME(6)    NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS shop_codes (
  shop       VARCHAR(64) NOT NULL,
  code_hash  BINARY(32)  NOT NULL COMMENT 'keyed hash; the code itself is nowhere',
  created_at DATETIME(6) NOT NULL,
  PRIMARY KEY (shop, code_hash)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS instances (
  instance   VARCHAR(64)  NOT NULL PRIMARY KEY,
  beat       BIGINT       NOT NULL,
  beat_at    DATETIME(6)  NOT NULL COMMENT 'by its own clock; for people, never compared',
  host       VARCHAR(255) NOT NULL,
  pid        INT          NOT NULL,
  version    VARCHAR(64)  NOT NULL,
  started_at DATETIME(6)  NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS leases (
  shop        VARCHAR(64) NOT NULL PRIMARY KEY,
  holder      VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'an instance, or empty',
  token       BIGINT      NOT NULL DEFAULT 0 COMMENT 'only grows',
  applied_seq BIGINT      NOT NULL DEFAULT 0 COMMENT 'transactions applied under this token',
  taken_at    DATETIME(6) NULL,
  KEY leases_holder (holder)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS progress (
  shop              VARCHAR(64)  NOT NULL PRIMARY KEY,
  agreement_number  BIGINT       NOT NULL DEFAULT 0,
  held              VARCHAR(32)  NOT NULL DEFAULT '' COMMENT 'why lagerd paused the shop itself; empty: it did not',
  held_detail       VARCHAR(500) NOT NULL DEFAULT '',
  held_at           DATETIME(6)  NULL,
  suspicion         VARCHAR(32)  NOT NULL DEFAULT '',
  items             BIGINT       NOT NULL DEFAULT 0 COMMENT 'at e-conomic, by the last listing',
  items_cursor      DATETIME(6)  NULL,
  swept_at          DATETIME(6)  NULL COMMENT 'when the last completed sweep of the items began',
  invoice_cursor    BIGINT       NOT NULL DEFAULT 0,
  invoices_begun    BOOLEAN      NOT NULL DEFAULT FALSE,
  invoices_swept_at DATETIME(6)  NULL,
  tick_at           DATETIME(6)  NULL COMMENT 'when the last good tick began',
  failures          INT          NOT NULL DEFAULT 0 COMMENT 'passes failed in a row',
  failure           VARCHAR(500) NOT NULL DEFAULT '',
  missed_webhooks   BIGINT       NOT NULL DEFAULT 0,
  late_webhooks     BIGINT       NOT NULL DEFAULT 0,
  drift             BIGINT       NOT NULL DEFAULT 0,
  lags              BIGINT       NOT NULL DEFAULT 0 COMMENT 'hints whose first read did not show the change yet',
  lag_last_us       BIGINT       NOT NULL DEFAULT 0,
  lag_max_us        BIGINT       NOT NULL DEFAULT 0,
  calls_day         VARCHAR(10)  NOT NULL DEFAULT '',
  calls             BIGINT       NOT NULL DEFAULT 0 COMMENT 'calls to e-conomic on calls_day'
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS hints (
  shop       VARCHAR(64)  NOT NULL,
  kind       VARCHAR(8)   NOT NULL,
  number     VARCHAR(64)  NOT NULL,
  seen_gen   BIGINT       NOT NULL COMMENT 'grows with every hint',
  done_gen   BIGINT       NOT NULL DEFAULT 0 COMMENT 'the generation last answered',
  open       BOOLEAN      NOT NULL COMMENT 'seen_gen > done_gen',
  cause      VARCHAR(16)  NOT NULL,
  first_at   DATETIME(6)  NOT NULL COMMENT 'first hint of this open period',
  last_at    DATETIME(6)  NOT NULL,
  webhook_at DATETIME(6)  NULL COMMENT 'last webhook of this open period',
  due_at     DATETIME(6)  NOT NULL,
  tries      INT          NOT NULL DEFAULT 0,
  failures   INT          NOT NULL DEFAULT 0,
  note       VARCHAR(500) NOT NULL DEFAULT '',
  PRIMARY KEY (shop, kind, number),
  KEY hints_due (open, shop, due_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS items (
  shop                   VARCHAR(64)   NOT NULL,
  number                 VARCHAR(64)   NOT NULL,
  name                   VARCHAR(300)  NOT NULL,
  bar_code               VARCHAR(64)   NOT NULL DEFAULT '',
  barred                 BOOLEAN       NOT NULL,
  inventory_enabled      BOOLEAN       NOT NULL,
  in_stock               DECIMAL(19,4) NULL,
  available              DECIMAL(19,4) NULL,
  ordered_by_customers   DECIMAL(19,4) NULL,
  ordered_from_suppliers DECIMAL(19,4) NULL,
  stock                  DECIMAL(19,4) NULL COMMENT 'the figure the shop has chosen; NULL is unknown, never zero',
  state                  VARCHAR(16)   NOT NULL,
  economic_updated_at    DATETIME(6)   NULL,
  observed_token         BIGINT        NOT NULL,
  observed_at            DATETIME(6)   NOT NULL COMMENT 'when the read behind this row began',
  first_seen_at          DATETIME(6)   NOT NULL,
  changed_at             DATETIME(6)   NOT NULL,
  renumbered_to          VARCHAR(64)   NOT NULL DEFAULT '',
  PRIMARY KEY (shop, number)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS changes (
  shop          VARCHAR(64)   NOT NULL,
  token         BIGINT        NOT NULL COMMENT 'the lease under which it was found',
  seq           BIGINT        NOT NULL COMMENT 'the transaction under that lease',
  n             INT           NOT NULL COMMENT 'the change within the transaction',
  kind          VARCHAR(8)    NOT NULL,
  number        VARCHAR(64)   NOT NULL,
  what          VARCHAR(16)   NOT NULL,
  old_stock     DECIMAL(19,4) NULL,
  new_stock     DECIMAL(19,4) NULL,
  old_in_stock  DECIMAL(19,4) NULL,
  new_in_stock  DECIMAL(19,4) NULL,
  old_available DECIMAL(19,4) NULL,
  new_available DECIMAL(19,4) NULL,
  old_state     VARCHAR(16)   NOT NULL DEFAULT '',
  new_state     VARCHAR(16)   NOT NULL DEFAULT '',
  cause         VARCHAR(16)   NOT NULL,
  webhook       VARCHAR(8)    NOT NULL,
  economic_at   DATETIME(6)   NULL COMMENT 'when e-conomic says it changed',
  hinted_at     DATETIME(6)   NULL COMMENT 'when the webhook that led to it was recorded',
  observed_at   DATETIME(6)   NOT NULL COMMENT 'when the read that showed it began',
  committed_at  DATETIME(6)   NOT NULL,
  renumbered_to VARCHAR(64)   NOT NULL DEFAULT '',
  PRIMARY KEY (shop, token, seq, n),
  KEY changes_number (shop, kind, number, committed_at),
  KEY changes_committed (shop, committed_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS invoices (
  shop             VARCHAR(64)   NOT NULL,
  number           BIGINT        NOT NULL,
  credit_note      BOOLEAN       NOT NULL,
  invoice_date     DATE          NULL,
  due_date         DATE          NULL,
  currency         VARCHAR(3)    NOT NULL,
  net              DECIMAL(19,4) NULL,
  vat              DECIMAL(19,4) NULL,
  gross            DECIMAL(19,4) NULL,
  rounding         DECIMAL(19,4) NULL,
  net_base         DECIMAL(19,4) NULL,
  gross_base       DECIMAL(19,4) NULL,
  customer_number  BIGINT        NOT NULL DEFAULT 0,
  recipient_name   VARCHAR(255)  NOT NULL DEFAULT '',
  other_reference  VARCHAR(255)  NOT NULL DEFAULT '',
  heading          VARCHAR(255)  NOT NULL DEFAULT '',
  text_line1       VARCHAR(1000) NOT NULL DEFAULT '',
  economic_order   BIGINT        NOT NULL DEFAULT 0,
  order_number     VARCHAR(255)  NOT NULL DEFAULT '' COMMENT 'the shop''s; empty where none was found',
  found_at         DATETIME(6)   NOT NULL,
  committed_at     DATETIME(6)   NOT NULL,
  cause            VARCHAR(16)   NOT NULL,
  lines_read       BOOLEAN       NOT NULL DEFAULT FALSE,
  pdf_link         VARCHAR(500)  NOT NULL DEFAULT '',
  pdf_state        VARCHAR(8)    NOT NULL DEFAULT 'pending' COMMENT 'pending or stored',
  pdf_sha256       CHAR(64)      NOT NULL DEFAULT '',
  pdf_size         INT           NOT NULL DEFAULT 0,
  pdf_stored_at    DATETIME(6)   NULL,
  work_due_at      DATETIME(6)   NULL COMMENT 'when its lines or PDF are to be fetched; NULL: both are there',
  work_tries       INT           NOT NULL DEFAULT 0,
  work_error       VARCHAR(500)  NOT NULL DEFAULT '',
  PRIMARY KEY (shop, number),
  KEY invoices_order (shop, order_number),
  KEY invoices_work (work_due_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS invoice_pdfs (
  shop   VARCHAR(64) NOT NULL,
  number BIGINT      NOT NULL,
  pdf    MEDIUMBLOB  NOT NULL,
  PRIMARY KEY (shop, number)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS invoice_gaps (
  shop        VARCHAR(64) NOT NULL,
  from_number BIGINT      NOT NULL,
  to_number   BIGINT      NOT NULL,
  seen_at     DATETIME(6) NOT NULL,
  PRIMARY KEY (shop, from_number)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS requests (
  request      VARCHAR(36)  NOT NULL PRIMARY KEY,
  shop         VARCHAR(64)  NOT NULL,
  what         VARCHAR(8)   NOT NULL COMMENT 'tick or sweep',
  requested_at DATETIME(6)  NOT NULL,
  done_at      DATETIME(6)  NULL,
  changes      BIGINT       NOT NULL DEFAULT 0,
  failure      VARCHAR(500) NOT NULL DEFAULT '',
  KEY requests_open (done_at, shop)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS webhook_calls (
  shop        VARCHAR(64) NOT NULL COMMENT 'empty where no shop was authenticated',
  slot        INT         NOT NULL COMMENT 'a ring: the number of slots bounds the log',
  called_at   DATETIME(6) NOT NULL,
  method      VARCHAR(8)  NOT NULL,
  remote      VARCHAR(64) NOT NULL,
  kind        VARCHAR(8)  NOT NULL,
  number      VARCHAR(64) NOT NULL,
  status      INT         NOT NULL,
  outcome     VARCHAR(24) NOT NULL,
  duration_us BIGINT      NOT NULL,
  PRIMARY KEY (shop, slot)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE OR REPLACE VIEW shop_stock AS
SELECT i.shop, i.number AS item_number, i.name, i.stock, i.state, i.barred, i.in_stock, i.available,
       i.ordered_by_customers, i.ordered_from_suppliers, i.bar_code, i.renumbered_to,
       i.changed_at, i.economic_updated_at, p.tick_at AS confirmed_at
FROM items i JOIN shops s ON s.shop = i.shop JOIN progress p ON p.shop = i.shop
WHERE s.stock_on;

CREATE OR REPLACE VIEW shop_invoices AS
SELECT v.shop, v.number AS invoice_number,
       CASE WHEN v.credit_note THEN 'credit_note' ELSE 'invoice' END AS kind,
       v.order_number, v.invoice_date, v.due_date, v.currency, v.net, v.vat, v.gross, v.rounding,
       v.net_base, v.gross_base, v.customer_number, v.recipient_name,
       v.pdf_state, v.pdf_sha256, v.pdf_size, v.pdf_stored_at, b.pdf, v.found_at
FROM invoices v LEFT JOIN invoice_pdfs b ON b.shop = v.shop AND b.number = v.number;
