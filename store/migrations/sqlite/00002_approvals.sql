CREATE TABLE IF NOT EXISTS approvals (
  shop        TEXT NOT NULL PRIMARY KEY,
  losses      INTEGER NOT NULL,
  approved_at TEXT NOT NULL
);
