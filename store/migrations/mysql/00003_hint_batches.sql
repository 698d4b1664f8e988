CREATE TABLE IF NOT EXISTS hint_batches (
  id        BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
  shop      VARCHAR(64)  NOT NULL,
  hints     INT          NOT NULL COMMENT 'how many data holds',
  first_at  DATETIME(6)  NOT NULL COMMENT 'when the first of them was received',
  data      MEDIUMTEXT   NOT NULL COMMENT 'JSON: kind, number and time of each webhook',
  set_aside BOOLEAN      NOT NULL DEFAULT FALSE COMMENT 'data cannot be read',
  error     VARCHAR(500) NOT NULL DEFAULT '' COMMENT 'why not',
  KEY hint_batches_shop (shop, set_aside, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
