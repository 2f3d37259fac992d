-- Jobs that remote workers hold. A row goes when the job is completed, failed, cancelled or given up.
CREATE TABLE leases (
    key        INTEGER PRIMARY KEY, -- of the lease's id, as jobs.key
    tail       INTEGER NOT NULL,
    job_key    INTEGER NOT NULL,    -- jobs.key
    job_tail   INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,    -- the fence: the attempt that the lease is for
    task_id    INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,    -- without a word by then it is lost
    ends_us    INTEGER NOT NULL,    -- the attempt's timeout: it is not prolonged beyond; 0 = none
    duration_us INTEGER NOT NULL,   -- by which a heartbeat prolongs it
    worker     TEXT NOT NULL,       -- the name that the worker gave, for telling
    fraction   REAL,                -- progress; NULL: not told
    message    TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX leases_expire ON leases (expires_us);
CREATE INDEX leases_job ON leases (job_key);
