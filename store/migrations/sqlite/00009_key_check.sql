CREATE TABLE IF NOT EXISTS key_check (
  id       INTEGER  NOT NULL PRIMARY KEY,
  value    BLOB     NOT NULL,
  noted_at DATETIME NOT NULL
);

CREATE TABLE IF NOT EXISTS instance_secrets (
  instance  TEXT     NOT NULL PRIMARY KEY,
  app_token TEXT     NOT NULL,
  noted_at  DATETIME NOT NULL
);
