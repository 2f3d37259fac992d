-- Calls of callback_url: a row is made in the transaction in which its job or group ends.
CREATE TABLE deliveries (
    key          INTEGER PRIMARY KEY,        -- of the delivery's id, as jobs.key
    tail         INTEGER NOT NULL,
    subject_key  INTEGER NOT NULL,           -- jobs.key or job_groups.key
    subject_tail INTEGER NOT NULL,
    is_group     INTEGER NOT NULL,
    url          TEXT NOT NULL,
    state        INTEGER NOT NULL DEFAULT 0, -- 0 to be called, 1 delivered, 2 given up
    attempts     INTEGER NOT NULL DEFAULT 0,
    created_us   INTEGER NOT NULL,
    next_us      INTEGER NOT NULL,           -- when it is called (again)
    last_status  INTEGER NOT NULL DEFAULT 0, -- HTTP status of the last answer; 0 = none came
    last_error   TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX deliveries_due ON deliveries (next_us) WHERE state = 0;
CREATE INDEX deliveries_subject ON deliveries (subject_key);
