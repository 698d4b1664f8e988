-- What is stored belongs to the agreement it was read from. A dataset is what
-- is stored of one agreement for one shop: the column "shop" of items,
-- invoices and invoice_pdfs holds a dataset. That of a shop's first agreement
-- is named like the shop.
ALTER TABLE shops ADD COLUMN dataset TEXT NOT NULL DEFAULT '';

UPDATE shops SET dataset = shop WHERE dataset = '';

CREATE INDEX IF NOT EXISTS shops_dataset ON shops (dataset);

ALTER TABLE leases ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;

UPDATE leases SET generation = COALESCE((SELECT s.generation FROM shops s WHERE s.shop = leases.shop), 0);

ALTER TABLE progress ADD COLUMN items_dataset TEXT NOT NULL DEFAULT '';

UPDATE progress SET items_dataset = shop WHERE items_dataset = '';

ALTER TABLE progress ADD COLUMN items_since DATETIME NULL;

CREATE TABLE IF NOT EXISTS agreements (
  shop             TEXT NOT NULL,
  agreement_number INTEGER NOT NULL,
  dataset          TEXT NOT NULL UNIQUE,
  accepted_at      DATETIME NOT NULL,
  PRIMARY KEY (shop, agreement_number)
);

CREATE TABLE IF NOT EXISTS mixed_invoices (
  shop     TEXT NOT NULL,
  number   INTEGER NOT NULL,
  reason   TEXT NOT NULL,
  found_at DATETIME NOT NULL,
  PRIMARY KEY (shop, number)
);

INSERT OR IGNORE INTO meta (name, value) SELECT 'removed_token', COALESCE(MAX(token), 0) FROM leases;

DROP VIEW IF EXISTS shop_stock;

CREATE VIEW IF NOT EXISTS shop_stock AS
SELECT s.shop, i.number AS item_number, i.name, i.stock, i.state, i.barred, i.in_stock, i.available,
       i.ordered_by_customers, i.ordered_from_suppliers, i.bar_code, i.renumbered_to,
       CASE WHEN i.changed_at < p.items_since THEN p.items_since ELSE i.changed_at END AS changed_at,
       i.economic_updated_at, p.tick_at AS confirmed_at
FROM shops s JOIN progress p ON p.shop = s.shop JOIN items i ON i.shop = p.items_dataset
WHERE s.stock_on;

DROP VIEW IF EXISTS shop_invoices;

CREATE VIEW IF NOT EXISTS shop_invoices AS
SELECT s.shop, v.number AS invoice_number,
       CASE WHEN v.credit_note THEN 'credit_note' ELSE 'invoice' END AS kind,
       v.order_number, v.invoice_date, v.due_date, v.currency, v.net, v.vat, v.gross, v.rounding,
       v.net_base, v.gross_base, v.customer_number, v.recipient_name,
       v.pdf_state, v.pdf_sha256, v.pdf_size, v.pdf_stored_at, b.pdf, v.found_at
FROM shops s JOIN invoices v ON v.shop = s.dataset LEFT JOIN invoice_pdfs b ON b.shop = v.shop AND b.number = v.number;
