-- Keys of batches that come line by line: idempotency.kind is 2 while lines are still to come, and 3 when all have; fingerprint is
-- that of the lines so far.
ALTER TABLE idempotency ADD COLUMN lines INTEGER NOT NULL DEFAULT 0; -- how many that are
CREATE INDEX idempotency_open ON idempotency (key, expires_us) WHERE kind = 2;
