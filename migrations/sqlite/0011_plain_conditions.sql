-- The same indexes under conditions that are one comparison: a list of three values is tested by way of a temporary
-- table, which every INSERT and UPDATE of a job then made and dropped.
DROP INDEX jobs_ended;
CREATE INDEX jobs_ended ON jobs (state, key) WHERE state > 3;
DROP INDEX jobs_expiring;
CREATE INDEX jobs_expiring ON jobs (expires_us) WHERE expires_us > 0 AND state < 2;
