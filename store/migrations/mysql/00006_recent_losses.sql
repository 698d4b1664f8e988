-- What the loss guard remembers. The column "shop" holds a dataset, as that of
-- items does: another agreement's losses are not this one's.
CREATE TABLE IF NOT EXISTS recent_losses (
  shop    VARCHAR(64) NOT NULL,
  number  VARCHAR(64) NOT NULL COMMENT 'an item whose stock was taken away',
  lost_us BIGINT      NOT NULL COMMENT 'microseconds since 1970, less loss_clocks.held_us at that time',
  gone    BOOLEAN     NOT NULL COMMENT 'e-conomic has the item no more',
  PRIMARY KEY (shop, number)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS loss_clocks (
  shop    VARCHAR(64) NOT NULL PRIMARY KEY,
  held_us BIGINT      NOT NULL COMMENT 'for how long the shop was held, in all: its recent losses do not grow old meanwhile'
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};
