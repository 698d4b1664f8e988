-- What the columns mean is said in ../mysql.
ALTER TABLE messages ADD COLUMN unsure INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE incidents ADD COLUMN told_to TEXT NOT NULL DEFAULT '';
