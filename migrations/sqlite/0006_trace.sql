-- The trace that a submission is part of: its W3C traceparent, NULL = none came.
ALTER TABLE jobs ADD COLUMN traceparent TEXT;
