-- Why a hint was answered or put off, and whether e-conomic refused its number, stand
-- apart from what people are told of it. Before, the beginning of the text told of a
-- refusal.
ALTER TABLE hints ADD COLUMN reason VARCHAR(24) NOT NULL DEFAULT '' COMMENT 'a code: why it was answered without a change, or is read again';

ALTER TABLE hints ADD COLUMN refused BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'e-conomic refused its number when it was last read';

ALTER TABLE invoices ADD COLUMN work_refused BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'e-conomic refused its lines or PDF when they were last tried';

UPDATE hints SET refused = TRUE, reason = 'forbidden' WHERE open = 1 AND refused = 0 AND note LIKE 'forbidden: %';

-- Only an invoice with something left to fetch can have been refused: so an index finds them.
UPDATE invoices SET work_refused = TRUE WHERE pdf_state = 'pending' AND work_refused = 0 AND work_error LIKE 'forbidden: %';

UPDATE invoices SET work_refused = TRUE WHERE pdf_state = 'stored' AND lines_read = 0 AND work_refused = 0 AND work_error LIKE 'forbidden: %';
