-- At the end of every entry of an index SQLite puts the key of its row, which is the column `key`: an index that names that
-- column last holds it twice. The same indexes in the same order without it.
DROP INDEX jobs_queued;
CREATE INDEX jobs_queued ON jobs (task_id, rank) WHERE state = 1 AND held = 0;
DROP INDEX jobs_running;
CREATE INDEX jobs_running ON jobs (state) WHERE state = 2;
DROP INDEX jobs_ended;
CREATE INDEX jobs_ended ON jobs (state) WHERE state > 3;
DROP INDEX jobs_task;
CREATE INDEX jobs_task ON jobs (task_id);
DROP INDEX jobs_group;
CREATE INDEX jobs_group ON jobs (group_key) WHERE group_key > 0;
DROP INDEX jobs_held;
CREATE INDEX jobs_held ON jobs (task_id, concurrency_key, rank) WHERE held = 1;
