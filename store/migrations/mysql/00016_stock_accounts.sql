-- A shop's stock may be kept elsewhere than its invoices: its items then have a dataset of
-- their own. Of e-conomic's shops it is that of the agreement, as before.
ALTER TABLE shops ADD COLUMN stock_dataset VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'where its items are stored; where its stock is kept at e-conomic, dataset';

UPDATE shops SET stock_dataset = dataset WHERE stock_dataset = '';

ALTER TABLE shops ADD COLUMN rackbeat_key VARBINARY(8192) NULL COMMENT 'sealed with the master key';

ALTER TABLE shops ADD COLUMN rackbeat_token_hash VARBINARY(512) NULL COMMENT 'SHA-256 of the tokens in the header of Rackbeat''s webhooks, one after the other; empty: none is expected';

ALTER TABLE shops ADD COLUMN places VARCHAR(255) NOT NULL DEFAULT '' COMMENT 'the places whose stock counts, ascending: 1,4; empty: an item''s own figure';

ALTER TABLE progress ADD COLUMN stock_account BIGINT NOT NULL DEFAULT 0 COMMENT 'the account at the stock source that its items are read from, where that is not e-conomic; 0: not known yet';

ALTER TABLE progress ADD COLUMN stock_calls_day VARCHAR(10) NOT NULL DEFAULT '' COMMENT 'UTC date of stock_calls';

ALTER TABLE progress ADD COLUMN stock_calls BIGINT NOT NULL DEFAULT 0 COMMENT 'calls to that stock source on stock_calls_day';

-- What has been read of one account and one choice of places belongs together, as what has
-- been read of one agreement does. Agreements are in the table agreements.
CREATE TABLE IF NOT EXISTS stock_accounts (
  dataset     VARCHAR(64)  NOT NULL PRIMARY KEY,
  shop        VARCHAR(64)  NOT NULL,
  source      VARCHAR(16)  NOT NULL COMMENT 'a stock source other than e-conomic',
  account     BIGINT       NOT NULL COMMENT '0: it was not known when the shop began to read it; then it is in progress',
  places      VARCHAR(255) NOT NULL COMMENT 'as in shops',
  accepted_at DATETIME(6)  NOT NULL,
  KEY stock_accounts_shop (shop)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

-- Everything before was read from e-conomic.
ALTER TABLE changes ADD COLUMN source VARCHAR(16) NOT NULL DEFAULT 'economic' COMMENT 'where it was read: a stock source, or economic for invoices';
