-- What of an item is in each of the places that its shop has chosen at Rackbeat. Their sum is
-- the item's figure: both are written in one transaction. A dataset has one choice of places.
CREATE TABLE IF NOT EXISTS item_places (
  shop       VARCHAR(64)   NOT NULL COMMENT 'a dataset',
  number     VARCHAR(64)   NOT NULL,
  place      BIGINT        NOT NULL COMMENT 'Rackbeat''s number of it',
  in_stock   DECIMAL(19,4) NOT NULL,
  changed_at DATETIME(6)   NOT NULL COMMENT 'when the read that showed the figure began',
  PRIMARY KEY (shop, number, place)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE OR REPLACE VIEW shop_stock_places AS
SELECT s.shop, i.number AS item_number, i.place, i.in_stock,
       CASE WHEN i.changed_at < p.items_since THEN p.items_since ELSE i.changed_at END AS changed_at
FROM shops s JOIN progress p ON p.shop = s.shop JOIN item_places i ON i.shop = p.items_dataset
WHERE s.stock_on;
