-- What the tables and columns mean is said in ../mysql.
ALTER TABLE shops ADD COLUMN email TEXT NOT NULL DEFAULT '';

CREATE TABLE IF NOT EXISTS incidents (
  audience TEXT NOT NULL,
  shop     TEXT NOT NULL,
  what     TEXT NOT NULL,
  seen_at  DATETIME NOT NULL,
  told_at  DATETIME NULL,
  gone_at  DATETIME NULL,
  PRIMARY KEY (audience, shop, what)
);

CREATE TABLE IF NOT EXISTS messages (
  id            TEXT NOT NULL PRIMARY KEY,
  audience      TEXT NOT NULL,
  shop          TEXT NOT NULL,
  channel       TEXT NOT NULL,
  address       TEXT NOT NULL,
  content       TEXT NOT NULL,
  state         TEXT NOT NULL DEFAULT 'waiting',
  decided_at    DATETIME NOT NULL,
  due_at        DATETIME NOT NULL,
  claimed_until DATETIME NULL,
  claims        INTEGER NOT NULL DEFAULT 0,
  ended_at      DATETIME NULL,
  error         TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS messages_due ON messages (state, due_at);
CREATE INDEX IF NOT EXISTS messages_recipient ON messages (audience, shop, decided_at);

CREATE TABLE IF NOT EXISTS notifying (
  id       INTEGER NOT NULL PRIMARY KEY,
  holder   TEXT NOT NULL DEFAULT '',
  until_at DATETIME NOT NULL,
  rounds   INTEGER NOT NULL DEFAULT 0
);

INSERT OR IGNORE INTO notifying (id, holder, until_at) VALUES (1, '', '2000-01-01 00:00:00.000000');
