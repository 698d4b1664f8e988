-- What the columns mean is said in ../mysql.
CREATE TABLE IF NOT EXISTS item_places (
  shop       TEXT NOT NULL,
  number     TEXT NOT NULL,
  place      INTEGER NOT NULL,
  in_stock   TEXT NOT NULL,
  changed_at DATETIME NOT NULL,
  PRIMARY KEY (shop, number, place)
);

DROP VIEW IF EXISTS shop_stock_places;

CREATE VIEW IF NOT EXISTS shop_stock_places AS
SELECT s.shop, i.number AS item_number, i.place, i.in_stock,
       CASE WHEN i.changed_at < p.items_since THEN p.items_since ELSE i.changed_at END AS changed_at
FROM shops s JOIN progress p ON p.shop = s.shop JOIN item_places i ON i.shop = p.items_dataset
WHERE s.stock_on;
