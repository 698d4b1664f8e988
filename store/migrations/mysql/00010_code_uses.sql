-- Which of a shop's codes e-conomic calls with: a code that works is never
-- retired because a newer one was made.
CREATE TABLE IF NOT EXISTS code_uses (
  shop      VARCHAR(64) NOT NULL,
  code_hash BINARY(32)  NOT NULL,
  used_at   DATETIME(6) NOT NULL COMMENT 'of a webhook called with it; noted once, and each minute while a shop has two codes',
  PRIMARY KEY (shop, code_hash)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

ALTER TABLE progress ADD COLUMN command_calls_day VARCHAR(10) NOT NULL DEFAULT '' COMMENT 'UTC date on which command_calls were made';

ALTER TABLE progress ADD COLUMN command_calls BIGINT NOT NULL DEFAULT 0 COMMENT 'calls to e-conomic that commands made; a lagerd counts its own in calls';
