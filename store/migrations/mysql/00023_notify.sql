-- Whom lagerd tells of what needs a person. An incident is a need as it was noticed for an audience;
-- it is gone when it has been told that it is over. A message is what is sent to one address: it is
-- decided with its incidents in one transaction, claimed before it is sent, and marked afterwards.
ALTER TABLE shops ADD COLUMN email VARCHAR(254) NOT NULL DEFAULT '' COMMENT 'of its owner; empty: the owner is told nothing';

CREATE TABLE IF NOT EXISTS incidents (
  audience VARCHAR(8)  NOT NULL COMMENT 'operator or owner',
  shop     VARCHAR(64) NOT NULL COMMENT 'empty: the installation',
  what     VARCHAR(64) NOT NULL COMMENT 'the need: its scope and reason',
  seen_at  DATETIME(6) NOT NULL COMMENT 'since when, by the database''s clock, as all times here',
  told_at  DATETIME(6) NULL COMMENT 'when a message about it was decided; null: not yet',
  gone_at  DATETIME(6) NULL COMMENT 'since when it is over, which has not been told yet',
  PRIMARY KEY (audience, shop, what)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

CREATE TABLE IF NOT EXISTS messages (
  id            VARCHAR(36)  NOT NULL PRIMARY KEY,
  audience      VARCHAR(8)   NOT NULL,
  shop          VARCHAR(64)  NOT NULL COMMENT 'whose owner it is for; empty: the operator',
  channel       VARCHAR(8)   NOT NULL COMMENT 'mail or webhook',
  address       VARCHAR(254) NOT NULL COMMENT 'of mail; empty: the configured webhook',
  content       MEDIUMTEXT   NOT NULL COMMENT 'JSON; texts are made when it is sent',
  state         VARCHAR(8)   NOT NULL DEFAULT 'waiting' COMMENT 'waiting, sent or dropped',
  decided_at    DATETIME(6)  NOT NULL,
  due_at        DATETIME(6)  NOT NULL COMMENT 'when it is tried next',
  claimed_until DATETIME(6)  NULL COMMENT 'until then a lagerd is sending it; later, that lagerd has died',
  claims        INT          NOT NULL DEFAULT 0 COMMENT 'how often sending it has begun',
  ended_at      DATETIME(6)  NULL,
  error         VARCHAR(500) NOT NULL DEFAULT '' COMMENT 'of the last try',
  KEY messages_due (state, due_at),
  KEY messages_recipient (audience, shop, decided_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

-- The lagerd that notifies, until a time: one of several at once.
CREATE TABLE IF NOT EXISTS notifying (
  id       INT         NOT NULL PRIMARY KEY,
  holder   VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'an instance',
  until_at DATETIME(6) NOT NULL,
  rounds   BIGINT      NOT NULL DEFAULT 0 COMMENT 'grows with what it decides: see Store.Tell'
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={{collation}};

INSERT IGNORE INTO notifying (id, holder, until_at) VALUES (1, '', '2000-01-01 00:00:00');
