-- What the columns mean is said in ../mysql.
ALTER TABLE shops ADD COLUMN webhook_setup INTEGER NOT NULL DEFAULT 0;

ALTER TABLE shop_codes ADD COLUMN kind TEXT NOT NULL DEFAULT '';
