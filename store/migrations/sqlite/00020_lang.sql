-- What the column means is said in ../mysql.
ALTER TABLE shops ADD COLUMN lang TEXT NOT NULL DEFAULT 'da';
