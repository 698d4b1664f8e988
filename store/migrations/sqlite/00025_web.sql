-- What the tables and columns mean is said in ../mysql.
CREATE TABLE IF NOT EXISTS web_operators (
  name       TEXT NOT NULL PRIMARY KEY,
  password   TEXT NOT NULL,
  stamp      TEXT NOT NULL,
  changed_at DATETIME NOT NULL
);

CREATE TABLE IF NOT EXISTS web_links (
  shop       TEXT NOT NULL PRIMARY KEY,
  stamp      TEXT NOT NULL,
  changed_at DATETIME NOT NULL
);

CREATE TABLE IF NOT EXISTS web_ended (
  session  BLOB NOT NULL PRIMARY KEY,
  until_at DATETIME NOT NULL
);
CREATE INDEX IF NOT EXISTS web_ended_until ON web_ended (until_at);
