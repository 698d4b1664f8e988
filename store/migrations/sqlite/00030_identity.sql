-- sqlite
-- What the columns mean is said in ../mysql.
ALTER TABLE instances ADD COLUMN identity TEXT NOT NULL DEFAULT '';
ALTER TABLE instances ADD COLUMN machine TEXT NOT NULL DEFAULT '';
ALTER TABLE instances ADD COLUMN boot TEXT NOT NULL DEFAULT '';
