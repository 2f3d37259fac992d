-- How far the last attempt of a job had got, for its next one; gone when it has succeeded or is forgotten.
CREATE TABLE checkpoints (
    key  INTEGER PRIMARY KEY, -- jobs.key
    data TEXT NOT NULL        -- JSON of at most 65536 bytes
) STRICT;
