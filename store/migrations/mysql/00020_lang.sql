-- The language in which lagerd writes to the owner of a shop: da or en.
ALTER TABLE shops ADD COLUMN lang VARCHAR(2) NOT NULL DEFAULT 'da' COMMENT 'of its owner: da or en';
