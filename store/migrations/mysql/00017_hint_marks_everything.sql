-- A webhook of Rackbeat's may name no item: it means all of them.
ALTER TABLE hint_marks ADD COLUMN everything BIGINT NOT NULL DEFAULT 0 COMMENT 'how many of those webhooks named no number';
