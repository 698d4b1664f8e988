CREATE TABLE IF NOT EXISTS warnings (
  shop     TEXT NOT NULL,
  kind     TEXT NOT NULL,
  number   TEXT NOT NULL,
  warning  TEXT NOT NULL,
  first_at DATETIME NOT NULL,
  PRIMARY KEY (shop, kind, number)
);
