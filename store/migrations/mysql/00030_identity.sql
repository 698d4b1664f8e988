-- By these a lagerd that starts knows that the one which had these shops has died, and is not only
-- silent: it holds the lock of the same state directory, on the same machine, since the same boot.
ALTER TABLE instances ADD COLUMN identity VARCHAR(128) NOT NULL DEFAULT '' COMMENT 'of the state directory whose lock it holds; empty: it holds none',
  ADD COLUMN machine VARCHAR(32) NOT NULL DEFAULT '' COMMENT 'hash of the machine id; empty: not known',
  ADD COLUMN boot VARCHAR(32) NOT NULL DEFAULT '' COMMENT 'hash of the boot id; empty: not known';
