-- The views once readers are enforced, on MariaDB. A reader chooses the conditions of
-- its query and how the optimizer works. Neither may make the server evaluate such a
-- condition on another shop's row: an error quotes what it was evaluated on. MariaDB has
-- no LATERAL, and with join_cache_level = 4 it joins by scanning a table that it could
-- look up. So the derived tables cannot be merged (UNION), and a reader of one shop has
-- one row, found by its primary key: it and what hangs on it are constants before
-- anything is joined, and the rows of items and invoices are looked up by key in the
-- first table that is left. Conditions are pushed down only to rows so found. For every
-- other account readers_of_all has no row, and nothing after it is read. A reader is found
-- by its user name, everything before the last @ of USER(); an anonymous account that
-- gave no name is nobody.
CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW shop_stock AS
SELECT k.shop, k.item_number, k.name, k.stock, k.state, k.barred, k.in_stock, k.available,
       k.ordered_by_customers, k.ordered_from_suppliers, k.bar_code, k.renumbered_to,
       k.changed_at, k.economic_updated_at, k.confirmed_at
FROM (SELECT r.shop, i.number AS item_number, i.name, i.stock, i.state, i.barred, i.in_stock, i.available,
             i.ordered_by_customers, i.ordered_from_suppliers, i.bar_code, i.renumbered_to,
             CASE WHEN i.changed_at < p.items_since THEN p.items_since ELSE i.changed_at END AS changed_at,
             i.economic_updated_at, p.tick_at AS confirmed_at
      FROM readers r FORCE INDEX (PRIMARY) STRAIGHT_JOIN shops s FORCE INDEX (PRIMARY)
           STRAIGHT_JOIN progress p FORCE INDEX (PRIMARY) STRAIGHT_JOIN items i FORCE INDEX (PRIMARY)
      WHERE r.account = {{reader}} AND s.shop = r.sees AND p.shop = r.sees AND i.shop = p.items_dataset AND s.stock_on
      UNION ALL
      SELECT r.shop, i.number AS item_number, i.name, i.stock, i.state, i.barred, i.in_stock, i.available,
             i.ordered_by_customers, i.ordered_from_suppliers, i.bar_code, i.renumbered_to,
             CASE WHEN i.changed_at < p.items_since THEN p.items_since ELSE i.changed_at END AS changed_at,
             i.economic_updated_at, p.tick_at AS confirmed_at
      FROM readers_of_all r FORCE INDEX (PRIMARY) STRAIGHT_JOIN shops s FORCE INDEX (PRIMARY)
           STRAIGHT_JOIN progress p FORCE INDEX (PRIMARY) STRAIGHT_JOIN items i FORCE INDEX (PRIMARY)
      WHERE r.account = {{reader}} AND s.shop = r.sees AND p.shop = r.sees AND i.shop = p.items_dataset AND s.stock_on) k;

CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW shop_stock_places AS
SELECT k.shop, k.item_number, k.place, k.in_stock, k.changed_at
FROM (SELECT r.shop, i.number AS item_number, i.place, i.in_stock,
             CASE WHEN i.changed_at < p.items_since THEN p.items_since ELSE i.changed_at END AS changed_at
      FROM readers r FORCE INDEX (PRIMARY) STRAIGHT_JOIN shops s FORCE INDEX (PRIMARY)
           STRAIGHT_JOIN progress p FORCE INDEX (PRIMARY) STRAIGHT_JOIN item_places i FORCE INDEX (PRIMARY)
      WHERE r.account = {{reader}} AND s.shop = r.sees AND p.shop = r.sees AND i.shop = p.items_dataset AND s.stock_on
      UNION ALL
      SELECT r.shop, i.number AS item_number, i.place, i.in_stock,
             CASE WHEN i.changed_at < p.items_since THEN p.items_since ELSE i.changed_at END AS changed_at
      FROM readers_of_all r FORCE INDEX (PRIMARY) STRAIGHT_JOIN shops s FORCE INDEX (PRIMARY)
           STRAIGHT_JOIN progress p FORCE INDEX (PRIMARY) STRAIGHT_JOIN item_places i FORCE INDEX (PRIMARY)
      WHERE r.account = {{reader}} AND s.shop = r.sees AND p.shop = r.sees AND i.shop = p.items_dataset AND s.stock_on) k;

-- A PDF is looked up last, and only where it is asked for. CASE keeps a condition on it
-- from being evaluated before its invoice has been found.
CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW shop_invoices AS
SELECT k.shop, k.invoice_number, k.kind, k.order_number, k.invoice_date, k.due_date, k.currency, k.net, k.vat, k.gross, k.rounding,
       k.net_base, k.gross_base, k.customer_number, k.recipient_name,
       k.pdf_state, k.pdf_sha256, k.pdf_size, k.pdf_stored_at, CASE WHEN b.shop = k.dataset THEN b.pdf END AS pdf, k.found_at
FROM (SELECT r.shop, v.shop AS dataset, v.number AS invoice_number,
             CASE WHEN v.credit_note THEN 'credit_note' ELSE 'invoice' END AS kind,
             v.order_number, v.invoice_date, v.due_date, v.currency, v.net, v.vat, v.gross, v.rounding,
             v.net_base, v.gross_base, v.customer_number, v.recipient_name,
             v.pdf_state, v.pdf_sha256, v.pdf_size, v.pdf_stored_at, v.found_at
      FROM readers r FORCE INDEX (PRIMARY) STRAIGHT_JOIN shops s FORCE INDEX (PRIMARY)
           STRAIGHT_JOIN invoices v FORCE INDEX (PRIMARY, invoices_order)
      WHERE r.account = {{reader}} AND s.shop = r.sees AND v.shop = s.dataset
      UNION ALL
      SELECT r.shop, v.shop AS dataset, v.number AS invoice_number,
             CASE WHEN v.credit_note THEN 'credit_note' ELSE 'invoice' END AS kind,
             v.order_number, v.invoice_date, v.due_date, v.currency, v.net, v.vat, v.gross, v.rounding,
             v.net_base, v.gross_base, v.customer_number, v.recipient_name,
             v.pdf_state, v.pdf_sha256, v.pdf_size, v.pdf_stored_at, v.found_at
      FROM readers_of_all r FORCE INDEX (PRIMARY) STRAIGHT_JOIN shops s FORCE INDEX (PRIMARY)
           STRAIGHT_JOIN invoices v FORCE INDEX (PRIMARY, invoices_order)
      WHERE r.account = {{reader}} AND s.shop = r.sees AND v.shop = s.dataset) k
LEFT JOIN invoice_pdfs b FORCE INDEX (PRIMARY) ON b.shop = k.dataset AND b.number = k.invoice_number;
