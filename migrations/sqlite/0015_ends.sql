-- How the job ended that a call tells of, whatever has become of it since.
ALTER TABLE deliveries ADD COLUMN ended INTEGER NOT NULL DEFAULT -1; -- its state; -1 = not known, or a group
-- Groups of which nothing is kept, because all that they were to have was there already: to be forgotten.
CREATE INDEX groups_empty ON job_groups (finished_us) WHERE finished_us > 0 AND n3 = 0 AND n4 = 0 AND n5 = 0 AND n6 = 0;
-- What expires next: only what has not begun, which between its attempts a job has.
DROP INDEX jobs_expiring;
CREATE INDEX jobs_expiring ON jobs (expires_us) WHERE expires_us > 0 AND state < 2 AND attempt = 0;
