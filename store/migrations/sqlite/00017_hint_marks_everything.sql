-- What the column means is said in ../mysql.
ALTER TABLE hint_marks ADD COLUMN everything INTEGER NOT NULL DEFAULT 0;
