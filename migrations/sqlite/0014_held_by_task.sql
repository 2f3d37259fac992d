-- A concurrency_key counts the jobs of one task: the first one that is held is looked for among those of its task.
DROP INDEX jobs_held;
CREATE INDEX jobs_held ON jobs (task_id, concurrency_key, rank, key) WHERE held = 1;
