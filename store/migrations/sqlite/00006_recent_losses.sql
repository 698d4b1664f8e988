-- What the loss guard remembers. The column "shop" holds a dataset, as that of
-- items does: another agreement's losses are not this one's.
CREATE TABLE IF NOT EXISTS recent_losses (
  shop    TEXT NOT NULL,
  number  TEXT NOT NULL,
  lost_us INTEGER NOT NULL,
  gone    INTEGER NOT NULL,
  PRIMARY KEY (shop, number)
);

CREATE TABLE IF NOT EXISTS loss_clocks (
  shop    TEXT NOT NULL PRIMARY KEY,
  held_us INTEGER NOT NULL
);
