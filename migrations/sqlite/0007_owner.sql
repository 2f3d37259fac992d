-- Whose token submitted a job or group: only it and those that may read all see it.
ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';       -- the token's name; '' = there were no tokens
ALTER TABLE job_groups ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE schedules ADD COLUMN owner TEXT NOT NULL DEFAULT '';
