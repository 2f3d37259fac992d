#!/usr/bin/env python3
"""growth.py - what a job costs when many are kept, and when many are queued.

    bench/growth.py [--kept N...] [--queued N...] [--rounds N] [--seconds S] [--kills N] [--markdown FILE]

Services run side by side, one with an empty store and one for each N of --kept with as many ended jobs; each round asks all of them
for the same, in turns. Then services that begin with N queued jobs, for each N of --queued. --kills kills the one with the most ended
jobs under load so often, and tells how soon the next one answers. The rows are made by SQL from one real job's row while the service
is down, because what is measured is what they cost, not how they came; a queue that is soon empty is filled over HTTP again and again.
CPU time by request (/proc/PID/task/TID/schedstat) is quoted beside the rates, since it says the same on a busy machine.
"""
import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import profile  # noqa: E402
import run  # noqa: E402

QUEUED, SUCCEEDED = 1, 3
AHEAD = 256  # jobs that workers had taken ahead when the service ended, and gave back
STEP = 1 << 12  # keys are milliseconds and a counter of 12 bits
SOON_EMPTY = 10000  # a queue of so many is filled again and again
ASKERS = ("http", "aside")  # threads that also answer who asks how far it is: not counted of a queue's cost


def multiply(data, n, state):
    """n copies of the newest ended job's row, older than it, in `state`."""
    db = sqlite3.connect(os.path.join(data, "jobmill.db"), isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=OFF")
    columns = [r[1] for r in db.execute("PRAGMA table_info(jobs)")]
    key, task, created = db.execute("SELECT key, task_id, created_us FROM jobs WHERE state = 3 ORDER BY key DESC LIMIT 1").fetchone()
    change = {"key": "j.key - (:n - i) * %d" % STEP, "tail": "abs(random()) >> 3", "state": str(state),
              "created_us": "j.created_us - (:n - i) * 1000", "rank": "j.created_us - (:n - i) * 1000"}
    if state == QUEUED:
        change.update(attempt="0", started_us="0", finished_us="0", worker="0", result="NULL", result_size="NULL")
    db.execute("BEGIN")
    db.execute("INSERT INTO jobs (%s) WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < :n - 1) SELECT %s FROM c, jobs j WHERE j.key = :key"
               % (", ".join(columns), ", ".join(change.get(c, "j." + c) for c in columns)), {"n": n, "key": key})
    db.execute("INSERT INTO counters (task_id, state, n) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", (task, state, n))
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def seeded(data, n, state):
    """A data directory with n jobs in this state, beside the one that they were made of."""
    s = run.jobmill(data, extra=("--keep-for", "365d"))
    run.call(s.port, "POST", "/v1/jobs?wait=10", run.SUBMIT)
    s.stop()
    if n:
        multiply(data, n, state)


def start(data, extra=()):
    begin = time.monotonic()
    s = run.jobmill(data, extra=("--keep-for", "365d") + tuple(extra))
    return s, time.monotonic() - begin


def side_by_side(services, what, rounds, seconds, figures):
    for i in range(rounds):
        for name, s in list(services.items())[:: -1 if i % 2 else 1]:
            r, cpu = profile.measure(s, what, 64, seconds)
            figures.setdefault((what, name), []).append((r["rate"], r["p99_us"], sum(cpu.values())))


def name_of(n):
    return format(n, ",") if n else "none"


def kept(base, a, lines):
    sizes, services, figures, med = [0] + a.kept, {}, {}, statistics.median
    for n in sizes:
        seeded(os.path.join(base, "k%d" % n), n, SUCCEEDED)
    for n in sizes:
        services[n], took = start(os.path.join(base, "k%d" % n))
        print("start with %s kept: %.3f s" % (name_of(n), took), flush=True)
    for what in ("poll", "submit", "whole"):
        side_by_side(services, what, a.rounds, a.seconds, figures)
    lines += ["| 64 connections | kept | /s | of the rate with none, round by round | CPU a request, us | of that with none |",
              "|---|---:|---:|---:|---:|---:|"]
    for what in ("poll", "submit", "whole"):
        for n in sizes:
            none, many = figures[what, 0], figures[what, n]
            rates = [m[0] / o[0] for o, m in zip(none, many)]
            cpus = [m[2] / o[2] for o, m in zip(none, many)]
            lines.append("| %s | %s | %.0f | %.2f (%.2f–%.2f) | %.1f | %.2f (%.2f–%.2f) |" % (
                what, name_of(n), med(m[0] for m in many), med(rates), min(rates), max(rates),
                med(m[2] for m in many), med(cpus), min(cpus), max(cpus)))
    lines.append("")
    for n in sizes:
        lines.append("Memory with %s kept (PSS, all processes): %d KiB." % (name_of(n), run.memory_kib(services[n].process.pid)))
    most = max(a.kept)
    sizes = run.call(services[most].port, "GET", "/v1/stats")[1]["store"]
    lines.append("The file has %.0f bytes a job with %s kept." % (sizes["db_bytes"] / most, name_of(most)))
    for s in services.values():
        s.stop()


def killed(data, kills, lines):
    """From the start of the service after a SIGKILL to its first answer about a job that was acknowledged before."""
    took = []
    s, _ = start(data)
    for _ in range(kills):
        load = subprocess.Popen([run.LOAD, str(s.port), "32", "0.5", "POST", "/v1/jobs", run.SUBMIT], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.3)
        job = run.call(s.port, "POST", "/v1/jobs", run.SUBMIT)[1]["id"]
        s.process.kill()
        s.process.wait()
        load.wait()
        begin = time.monotonic()
        s, _ = start(data)
        if run.call(s.port, "GET", "/v1/jobs/" + job)[0] != 200:
            raise SystemExit("an acknowledged job is gone")
        took.append(1000 * (time.monotonic() - begin))
    s.stop()
    lines += ["", "First answer after %d kills under load, with these jobs kept: median %.0f ms, slowest %.0f ms." % (kills, statistics.median(took), max(took))]


def jobs(s, *states):
    counts = run.call(s.port, "GET", "/v1/stats")[1]["jobs"]
    return sum(counts[state] for state in states)


def fill(s, n):
    """n queued jobs of the paused task; the group of the last of them."""
    for at in range(0, n, run.BATCH):
        group = run.submit_batch(s.port, min(run.BATCH, n - at))
    return group


def work_off(s, group, seconds):
    """Lets the queue run until this group is done; without one, for so long or until it is empty. How many ran, and in how many seconds."""
    ended, begin = jobs(s, "succeeded"), time.monotonic()
    run.call(s.port, "POST", "/v1/tasks/noop/resume")
    if group:
        run.await_group(s.port, group)
    while not group and jobs(s, "queued", "running") and time.monotonic() < begin + seconds:
        time.sleep(0.01)
    ran, spent = jobs(s, "succeeded") - ended, time.monotonic() - begin
    run.call(s.port, "POST", "/v1/tasks/noop/pause")
    return ran, spent


def in_order(data):
    db = sqlite3.connect(os.path.join(data, "jobmill.db"))
    last, = db.execute("SELECT max(key) FROM jobs WHERE state = 3 AND key < (SELECT max(key) FROM jobs)").fetchone()
    passed, = db.execute("SELECT count(*) FROM jobs WHERE state = 1 AND key < ?", (last,)).fetchone()
    db.close()
    if passed > AHEAD:
        raise SystemExit("not in order: %d older jobs were still queued" % passed)


def run_queue(data, n, seconds):
    """Seconds to start, jobs a second, CPU a job, memory before and after."""
    s, took = start(data)
    before = run.memory_kib(s.process.pid)
    ran, spent, cpu, refill = 0, 0, 0, n <= SOON_EMPTY
    while True:
        group = fill(s, n) if refill else None
        then = profile.cpu_ns(s.process.pid)
        done = work_off(s, group, seconds)
        now = profile.cpu_ns(s.process.pid)
        ran, spent = ran + done[0], spent + done[1]
        cpu += sum(now[k] - then[k] for k in now if k not in ASKERS)
        if not refill or spent >= seconds / 4:
            break
    after = run.memory_kib(s.process.pid)
    s.stop()
    if not refill:
        in_order(data)
    return took, ran / spent, cpu / 1000 / ran, before, after


def queued(base, a, lines):
    figures = {n: [] for n in a.queued}
    for i in range(a.rounds):
        for n in a.queued:
            data = os.path.join(base, "q%d-%d" % (n, i))
            seeded(data, n if n > SOON_EMPTY else 0, QUEUED)
            s, _ = start(data)
            run.call(s.port, "POST", "/v1/tasks/noop/pause")
            s.stop()
            figures[n].append(run_queue(data, n, a.seconds))
            shutil.rmtree(data)
    lines += ["", "| queued at the start | start, s | jobs /s | CPU a job, us | memory before, after, KiB |", "|---:|---:|---:|---:|---|"]
    for n in a.queued:
        f = figures[n]
        med = lambda i: statistics.median(x[i] for x in f)  # noqa: E731
        lines.append("| %s | %.3f | %.0f (%.0f–%.0f) | %.1f (%.1f–%.1f) | %d, %d |" % (
            format(n, ","), med(0), med(1), min(x[1] for x in f), max(x[1] for x in f), med(2), min(x[2] for x in f), max(x[2] for x in f), med(3), med(4)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kept", type=int, nargs="+", default=[1000, 100000, 5000000])
    p.add_argument("--queued", type=int, nargs="+", default=[1000, 100000, 5000000])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--kills", type=int, default=0)
    p.add_argument("--markdown")
    a = p.parse_args()
    base, lines = tempfile.mkdtemp(prefix="jobmill-growth-", dir=os.environ.get("DATA")), []
    try:
        queued(base, a, lines)
        lines.append("")
        kept(base, a, lines)
        if a.kills:
            killed(os.path.join(base, "k%d" % max(a.kept)), a.kills, lines)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if a.markdown:
        with open(a.markdown, "w") as f:
            f.write(text)


if __name__ == "__main__":
    sys.exit(main())
