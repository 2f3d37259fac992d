#!/usr/bin/env python3
"""A task that is kept warm, in Python: {"name": "…"} gives a greeting. See commands.ini."""
import time

import jobmill

started = time.monotonic()


@jobmill.task
def greet(job):
    name = job.input.get("name") if isinstance(job.input, dict) else None
    if not name:
        raise jobmill.Error("whom shall I greet?", code="no_name", permanent=True)
    job.progress(0.5, "thinking of " + name)
    print("greeting", name)  # goes to the job's log
    return {"hello": name, "warm_for": round(time.monotonic() - started, 3)}
