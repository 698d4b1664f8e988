-- What the index is for is said in ../mysql.
CREATE INDEX IF NOT EXISTS invoices_due ON invoices (pdf_state, lines_read, shop, work_due_at);

DROP INDEX IF EXISTS invoices_work;
