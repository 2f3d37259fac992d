-- When the clock is set, what was to run after a while moves with it, and what was to run at a time does not.
ALTER TABLE jobs ADD COLUMN delayed INTEGER NOT NULL DEFAULT 0; -- 1: submitted with a delay; a pause between attempts counts without
