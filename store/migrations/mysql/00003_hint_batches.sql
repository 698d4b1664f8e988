CREATE TABLE IF NOT EXISTS hint_batches (
  id       BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
  shop     VARCHAR(64) NOT NULL,
  hints    INT         NOT NULL COMMENT 'how many data holds',
  first_at DATETIME(6) NOT NULL COMMENT 'when the first of them was received',
  data     MEDIUMTEXT  NOT NULL COMMENT 'JSON: kind, number and time of each webhook',
  error    VARCHAR(500) NOT NULL DEFAULT '' COMMENT 'why data cannot be read: the row is set aside',
  KEY hint_batches_shop (shop, id)
) DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
