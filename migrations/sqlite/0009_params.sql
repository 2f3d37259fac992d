-- What a raw submission gave for the {input.x} of its task's command: a JSON object of strings, NULL = nothing.
ALTER TABLE jobs ADD COLUMN params TEXT;
