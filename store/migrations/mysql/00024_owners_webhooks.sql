-- Which shops had webhook calls that were not accepted is looked up for all shops at once. The
-- outcome of a slot of the log seldom changes, so neither does the index.
CREATE INDEX webhook_calls_outcome ON webhook_calls (outcome, shop);
