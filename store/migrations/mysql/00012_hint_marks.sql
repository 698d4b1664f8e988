-- Webhooks that no hint was kept for: a sweep that began after them reads what they pointed at.
CREATE TABLE IF NOT EXISTS hint_marks (
  id       BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
  shop     VARCHAR(64) NOT NULL,
  kind     VARCHAR(8)  NOT NULL,
  hints    BIGINT      NOT NULL COMMENT 'how many webhooks it stands for',
  first_at DATETIME(6) NOT NULL COMMENT 'when the first of them was received',
  last_at  DATETIME(6) NOT NULL,
  KEY hint_marks_shop (shop, kind, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

ALTER TABLE progress ADD COLUMN old_invoice_hints BIGINT NOT NULL DEFAULT 0 COMMENT 'webhooks of invoices before the start of the shop that no hint was kept for';
