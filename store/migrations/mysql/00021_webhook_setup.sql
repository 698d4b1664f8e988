-- lagerd may set up a shop's webhooks at e-conomic, if the shop allows it. Those carry a code of
-- their own in a header, beside the codes that people enter.
ALTER TABLE shops ADD COLUMN webhook_setup BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'lagerd may set up and switch on its webhooks at e-conomic';

ALTER TABLE shop_codes ADD COLUMN kind VARCHAR(8) NOT NULL DEFAULT '' COMMENT 'of the hints of the webhook that carries the code in a header; empty: a code that a person enters';
