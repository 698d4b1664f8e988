-- What it is for is said in ../mysql.
CREATE INDEX IF NOT EXISTS webhook_calls_outcome ON webhook_calls (outcome, shop);
