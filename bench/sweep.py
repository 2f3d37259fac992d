#!/usr/bin/env python3
"""sweep.py - what submissions cost while old jobs are forgotten.

    bench/sweep.py [--old N] [--connections N] [--seconds S] [--markdown FILE]

One service begins with N ended jobs that are older than it keeps jobs, and one with none; both are asked for the same, in turns,
a slice of S seconds each, until the old ones are gone, and for as many slices after that. The rows are made by SQL as in growth.py.
"""
import argparse
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import growth  # noqa: E402
import run  # noqa: E402

DAYS = 30
AGE_MS = DAYS * 24 * 3600 * 1000


def age(data):
    """All that is there ended DAYS ago."""
    db = sqlite3.connect(os.path.join(data, "jobmill.db"), isolation_level=None)
    db.execute("UPDATE jobs SET key = key - ?, created_us = created_us - ?, started_us = started_us - ?, finished_us = finished_us - ?",
               (AGE_MS * growth.STEP,) + 3 * (AGE_MS * 1000,))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def old_left(port):
    limit = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - (DAYS - 1) * 24 * 3600))
    return len(run.call(port, "GET", "/v1/jobs?limit=1&created_before=" + limit)[1]["jobs"]) > 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--old", type=int, default=200000)
    p.add_argument("--connections", type=int, default=16)
    p.add_argument("--seconds", type=float, default=1)
    p.add_argument("--markdown")
    a = p.parse_args()
    base = tempfile.mkdtemp(prefix="jobmill-sweep-", dir=os.environ.get("DATA"))
    figures, services = {}, {}
    try:
        for name, n in (("none", 0), ("old", a.old)):
            data = os.path.join(base, name)
            growth.seeded(data, n, growth.SUCCEEDED)
            if n:
                age(data)
        for name in ("none", "old"):
            services[name] = run.jobmill(os.path.join(base, name), extra=("--keep-for", "7d"))
        begin, slices, spent = time.monotonic(), 0, 0
        while slices < 3 or old_left(services["old"].port):
            for name, s in services.items():
                figures.setdefault(("during", name), []).append(run.load(s.port, a.connections, a.seconds, "POST", "/v1/jobs", run.SUBMIT))
            slices += 1
            spent = time.monotonic() - begin
        for _ in range(slices):
            for name, s in services.items():
                figures.setdefault(("after", name), []).append(run.load(s.port, a.connections, a.seconds, "POST", "/v1/jobs", run.SUBMIT))
        for s in services.values():
            s.stop()
    finally:
        for s in services.values():
            if s.process.poll() is None:
                s.process.kill()
        shutil.rmtree(base, ignore_errors=True)
    med = statistics.median
    lines = ["%s jobs were forgotten in %.0f s, beside submissions by %d connections" % (format(a.old, ","), spent, a.connections), "",
             "| submissions | service | /s | p50, us | p99, us | p99 of the worst slice, us |", "|---|---|---:|---:|---:|---:|"]
    for when in ("during", "after"):
        for name in ("none", "old"):
            f = figures[when, name]
            lines.append("| %s | %s | %.0f | %.0f | %.0f | %.0f |" % (
                when, "that forgets" if name == "old" else "that has nothing to forget", med(r["rate"] for r in f), med(r["p50_us"] for r in f),
                med(r["p99_us"] for r in f), max(r["p99_us"] for r in f)))
    ratios = [o["p99_us"] / n["p99_us"] for n, o in zip(figures["during", "none"], figures["during", "old"])]
    lines += ["", "p99 while it forgets / p99 of the other: %.2f (%.2f–%.2f, slice by slice)" % (med(ratios), min(ratios), max(ratios))]
    text = "\n".join(lines) + "\n"
    print(text)
    if a.markdown:
        with open(a.markdown, "w") as f:
            f.write(text)


if __name__ == "__main__":
    sys.exit(main())
