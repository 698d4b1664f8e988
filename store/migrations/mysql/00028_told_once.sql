-- A message whose text was sent and not answered may have arrived: it is sent once more, and no further.
-- One that its receiver refuses for good holds up no later one.
ALTER TABLE messages ADD COLUMN unsure INT NOT NULL DEFAULT 0 COMMENT 'how many tries may have arrived: the text was sent, and no answer came',
  ADD COLUMN refused TINYINT(1) NOT NULL DEFAULT 0 COMMENT 'the last try was answered with a refusal for good: later messages do not wait for this one';

-- Whoever gets a new address is told there what goes on.
ALTER TABLE incidents ADD COLUMN told_to VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'digests of the addresses of the owner that were told; empty: of all';
