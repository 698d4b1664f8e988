-- What the columns mean is said in ../mysql.
ALTER TABLE hints ADD COLUMN reason TEXT NOT NULL DEFAULT '';

ALTER TABLE hints ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;

ALTER TABLE invoices ADD COLUMN work_refused INTEGER NOT NULL DEFAULT 0;

UPDATE hints SET refused = 1, reason = 'forbidden' WHERE open = 1 AND refused = 0 AND note LIKE 'forbidden: %';

UPDATE invoices SET work_refused = 1 WHERE pdf_state = 'pending' AND work_refused = 0 AND work_error LIKE 'forbidden: %';

UPDATE invoices SET work_refused = 1 WHERE pdf_state = 'stored' AND lines_read = 0 AND work_refused = 0 AND work_error LIKE 'forbidden: %';
