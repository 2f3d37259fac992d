#!/usr/bin/env python3
"""ageing.py - how long the least urgent job waits while more urgent ones come faster than they can be run.

    bench/ageing.py [--seconds S] [--ageing S] [--low N] [--markdown FILE]

A point of priority is worth `priority_ageing` seconds of age, so a job is overtaken by those that are P points more urgent and come within
P * priority_ageing after it, and by no other: it begins when these have been run. Submissions of an urgent job (4 ms of sleep on 2 workers) come
without a pause over 8 connections, and N jobs of 10 points less among them. Afterwards the store tells who began before whom; exits with 1
where a job was overtaken by one that came later than that, but for those that a worker had taken already.
"""
import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run  # noqa: E402

POINTS = 10
HIGH = '{"task":"sleep","input":{"seconds":0.004},"priority":5}'
LOW = '{"task":"sleep","input":{"seconds":0.004},"priority":-5}'
TAKEN = 32  # jobs that workers held, or that a commit was about to give them


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=float, default=4)
    p.add_argument("--ageing", type=float, default=0.1)
    p.add_argument("--low", type=int, default=8)
    p.add_argument("--markdown")
    a = p.parse_args()
    base = tempfile.mkdtemp(prefix="jobmill-ageing-", dir=os.environ.get("DATA"))
    s = run.jobmill(base, extra=("--priority-ageing", "%gs" % a.ageing))
    try:
        flood = threading.Thread(target=run.load, args=(s.port, 8, "%g@3000" % a.seconds, "POST", "/v1/jobs", HIGH))
        flood.start()
        low = []
        for _ in range(a.low):
            time.sleep(a.seconds / 2 / a.low)
            low.append(run.call(s.port, "POST", "/v1/jobs", LOW)[1]["id"])
        flood.join()
        for ident in low:
            state = run.call(s.port, "GET", "/v1/jobs/%s?wait=60" % ident)[1]["state"]
            if state != "succeeded":
                raise SystemExit("a job of low priority is %s" % state)
        s.stop()
        db = sqlite3.connect(os.path.join(base, "jobmill.db"))
        rows = db.execute("SELECT created_us, started_us FROM jobs WHERE priority = -5 ORDER BY key").fetchall()
        lines = ["Urgent jobs come without a pause; %d points, %g s each" % (POINTS, a.ageing), "",
                 "| submitted after, s | began after, s | of more urgent ones before it: all | that came after it | that came too late to overtake it | bound, s |",
                 "|---:|---:|---:|---:|---:|---:|"]
        begin = db.execute("SELECT min(created_us) FROM jobs").fetchone()[0]
        wrong = 0
        for created, started in rows:
            last = created + POINTS * a.ageing * 1e6
            one = lambda sql, *x: db.execute("SELECT count(*), max(started_us) FROM jobs WHERE priority = 5 AND started_us > 0 AND " + sql, x).fetchone()  # noqa: E731
            before, _ = one("started_us >= ? AND started_us < ?", created, started)
            after, _ = one("created_us > ? AND started_us < ?", created, started)
            late, _ = one("created_us > ? AND started_us < ?", last, started)
            _, until = one("created_us <= ?", last)  # all that may overtake it have begun
            wrong += late > TAKEN
            lines.append("| %.2f | %.2f | %d | %d | %d | %.2f |" % (
                (created - begin) / 1e6, (started - created) / 1e6, before, after, late, max((until or created) - created, POINTS * a.ageing * 1e6) / 1e6))
        db.close()
    finally:
        if s.process.poll() is None:
            s.process.kill()
        shutil.rmtree(base, ignore_errors=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if a.markdown:
        with open(a.markdown, "w") as f:
            f.write(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
