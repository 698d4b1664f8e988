-- Calls of the webhook endpoint that name a shop and have a wrong code, by shop: so many
-- on its latest day with any.
CREATE TABLE IF NOT EXISTS refused_calls (
  shop        TEXT NOT NULL PRIMARY KEY,
  day         TEXT NOT NULL,
  calls       INTEGER NOT NULL,
  last_at     DATETIME NOT NULL,
  last_remote TEXT NOT NULL
);
