-- A shop's owner may be told by a webhook. Its address may hold a secret, so it is sealed, together with
-- the secret that signs what goes there: neither can be combined with another one.
ALTER TABLE shops ADD COLUMN notify_origin VARCHAR(255) NOT NULL DEFAULT '' COMMENT 'of the address of its owner''s webhook: scheme, host and port; empty: there is none';

ALTER TABLE shops ADD COLUMN notify_hook VARBINARY(4096) NULL COMMENT 'sealed with the master key: the secret that signs, a blank, and the address';

-- A first sweep takes long, and whoever waits for it asks how much is left.
ALTER TABLE progress ADD COLUMN items_announced BIGINT NOT NULL DEFAULT 0 COMMENT 'how many items there are, as the source said in the first sweep; 0: it has not';

-- Which shops had webhook calls that were not accepted is looked up for all shops at once. The
-- outcome of a slot of the log seldom changes, so neither does the index.
CREATE INDEX webhook_calls_outcome ON webhook_calls (outcome, shop);
