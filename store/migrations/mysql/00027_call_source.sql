-- A shop that moved to Rackbeat may still be called by e-conomic's webhook of stock: they are told apart.
ALTER TABLE webhook_calls ADD COLUMN source VARCHAR(16) NOT NULL DEFAULT '' COMMENT 'whose webhook the type is: economic or rackbeat; empty: not known';
