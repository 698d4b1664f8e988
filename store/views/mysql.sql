-- The views once readers are enforced, on MySQL. A reader chooses the conditions of its
-- query, the optimizer and its hints. None of these may make the server evaluate such a
-- condition on another shop's row: an error quotes what it was evaluated on. So each
-- table is read in a derived table of its own that depends on the row found before it
-- (LATERAL) and cannot be merged (DISTINCT, UNION): the server has to look it up by key
-- in this order, also with optimizer_switch = 'hypergraph_optimizer=on', and may push
-- conditions down only to rows so found. A reader is found by its user name, everything
-- before the last @ of USER(); an anonymous account that gave no name is nobody. Without
-- CONVERT, that optimizer would scan readers.
CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW shop_stock AS
SELECT r.shop, i.item_number, i.name, i.stock, i.state, i.barred, i.in_stock, i.available,
       i.ordered_by_customers, i.ordered_from_suppliers, i.bar_code, i.renumbered_to,
       i.changed_at, i.economic_updated_at, i.confirmed_at
FROM (SELECT shop, sees FROM readers FORCE INDEX (PRIMARY) WHERE account = {{reader}}
      UNION ALL
      SELECT shop, sees FROM readers_of_all FORCE INDEX (PRIMARY) WHERE account = {{reader}}) r
STRAIGHT_JOIN LATERAL (SELECT DISTINCT p.items_dataset, p.items_since, p.tick_at
      FROM shops s FORCE INDEX (PRIMARY) STRAIGHT_JOIN progress p FORCE INDEX (PRIMARY)
      WHERE s.shop = r.sees AND p.shop = r.sees AND s.stock_on) d
STRAIGHT_JOIN LATERAL (SELECT DISTINCT number AS item_number, name, stock, state, barred, in_stock, available,
      ordered_by_customers, ordered_from_suppliers, bar_code, renumbered_to,
      CASE WHEN changed_at < d.items_since THEN d.items_since ELSE changed_at END AS changed_at,
      economic_updated_at, d.tick_at AS confirmed_at
      FROM items FORCE INDEX (PRIMARY) WHERE shop = d.items_dataset) i;

CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW shop_stock_places AS
SELECT r.shop, i.item_number, i.place, i.in_stock, i.changed_at
FROM (SELECT shop, sees FROM readers FORCE INDEX (PRIMARY) WHERE account = {{reader}}
      UNION ALL
      SELECT shop, sees FROM readers_of_all FORCE INDEX (PRIMARY) WHERE account = {{reader}}) r
STRAIGHT_JOIN LATERAL (SELECT DISTINCT p.items_dataset, p.items_since
      FROM shops s FORCE INDEX (PRIMARY) STRAIGHT_JOIN progress p FORCE INDEX (PRIMARY)
      WHERE s.shop = r.sees AND p.shop = r.sees AND s.stock_on) d
STRAIGHT_JOIN LATERAL (SELECT DISTINCT number AS item_number, place, in_stock,
      CASE WHEN changed_at < d.items_since THEN d.items_since ELSE changed_at END AS changed_at
      FROM item_places FORCE INDEX (PRIMARY) WHERE shop = d.items_dataset) i;

-- A PDF is looked up last, and only where it is asked for. CASE keeps a condition on it
-- from being evaluated before its invoice has been found.
CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW shop_invoices AS
SELECT r.shop, v.invoice_number, v.kind, v.order_number, v.invoice_date, v.due_date, v.currency, v.net, v.vat, v.gross, v.rounding,
       v.net_base, v.gross_base, v.customer_number, v.recipient_name,
       v.pdf_state, v.pdf_sha256, v.pdf_size, v.pdf_stored_at, CASE WHEN b.shop = v.dataset THEN b.pdf END AS pdf, v.found_at
FROM (SELECT shop, sees FROM readers FORCE INDEX (PRIMARY) WHERE account = {{reader}}
      UNION ALL
      SELECT shop, sees FROM readers_of_all FORCE INDEX (PRIMARY) WHERE account = {{reader}}) r
STRAIGHT_JOIN LATERAL (SELECT DISTINCT dataset FROM shops FORCE INDEX (PRIMARY) WHERE shop = r.sees) d
STRAIGHT_JOIN LATERAL (SELECT DISTINCT d.dataset, number AS invoice_number,
      CASE WHEN credit_note THEN 'credit_note' ELSE 'invoice' END AS kind,
      order_number, invoice_date, due_date, currency, net, vat, gross, rounding,
      net_base, gross_base, customer_number, recipient_name,
      pdf_state, pdf_sha256, pdf_size, pdf_stored_at, found_at
      FROM invoices FORCE INDEX (PRIMARY, invoices_order) WHERE shop = d.dataset) v
LEFT JOIN invoice_pdfs b FORCE INDEX (PRIMARY) ON b.shop = v.dataset AND b.number = v.invoice_number;
