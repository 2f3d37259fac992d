#!/usr/bin/env python3
"""growth.py - what a job costs when many are kept, and when many are queued.

    bench/growth.py [--kept N] [--queued N] [--rounds N] [--seconds S] [--kills N] [--markdown FILE]

Two services run side by side, one with an empty store and one with N ended jobs; each round asks both for the same, in turns.
Then one service begins with N queued jobs and one with a tenth of them. --kills kills the one with N ended jobs under load so
often, and tells how soon the next one answers. The rows are made by SQL from one real job's
row while the service is down, because what is measured is what they cost, not how they came. CPU time by request
(/proc/PID/task/TID/schedstat) is quoted beside the rates, since it says the same on a busy machine.
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
    for _ in range(rounds):
        for name, s in services.items():
            r, cpu = profile.measure(s, what, 64, seconds)
            figures.setdefault((what, name), []).append((r["rate"], r["p99_us"], sum(cpu.values())))


def kept(base, a, lines):
    for name, n in (("none", 0), ("many", a.kept)):
        seeded(os.path.join(base, name), n, SUCCEEDED)
    services, figures = {}, {}
    for name in ("none", "many"):
        services[name], took = start(os.path.join(base, name))
        print("start with %s kept: %.3f s" % ("none" if name == "none" else a.kept, took), flush=True)
    for what in ("poll", "submit", "whole"):
        side_by_side(services, what, a.rounds, a.seconds, figures)
    lines.append("| 64 connections | none kept: /s | %s kept: /s | ratio of the rates, round by round | CPU a request, us | ratio |" % format(a.kept, ","))
    lines.append("|---|---:|---:|---:|---:|---:|")
    for what in ("poll", "submit", "whole"):
        none, many = figures[what, "none"], figures[what, "many"]
        rates = [m[0] / n[0] for n, m in zip(none, many)]
        cpus = [m[2] / n[2] for n, m in zip(none, many)]
        med = statistics.median
        lines.append("| %s | %.0f | %.0f | %.2f (%.2f–%.2f) | %.1f → %.1f | %.2f (%.2f–%.2f) |" % (
            what, med(n[0] for n in none), med(m[0] for m in many), med(rates), min(rates), max(rates),
            med(n[2] for n in none), med(m[2] for m in many), med(cpus), min(cpus), max(cpus)))
    sizes = run.call(services["many"].port, "GET", "/v1/stats")[1]["store"]
    lines.append("")
    lines.append("Memory (PSS, all processes): %d KiB with none kept, %d KiB with %s; the file has %.0f bytes a job." % (
        run.memory_kib(services["none"].process.pid), run.memory_kib(services["many"].process.pid), format(a.kept, ","),
        sizes["db_bytes"] / a.kept))
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


def run_queue(data, seconds):
    """Lets the queue run: seconds to start, jobs a second, CPU a job, memory before and after."""
    s, took = start(data)
    before = run.memory_kib(s.process.pid)
    cpu = profile.cpu_ns(s.process.pid)
    run.call(s.port, "POST", "/v1/tasks/noop/resume")
    ended, begin = run.call(s.port, "GET", "/v1/stats")[1]["jobs"]["succeeded"], time.monotonic()
    time.sleep(seconds)
    now, spent = run.call(s.port, "GET", "/v1/stats")[1]["jobs"]["succeeded"], time.monotonic() - begin
    after_cpu = profile.cpu_ns(s.process.pid)
    after = run.memory_kib(s.process.pid)
    s.stop()
    db = sqlite3.connect(os.path.join(data, "jobmill.db"))
    last, = db.execute("SELECT max(key) FROM jobs WHERE state = 3 AND key < (SELECT max(key) FROM jobs)").fetchone()
    passed, = db.execute("SELECT count(*) FROM jobs WHERE state = 1 AND key < ?", (last,)).fetchone()
    db.close()
    if passed > AHEAD:
        raise SystemExit("not in order: %d older jobs were still queued" % passed)
    n = now - ended
    return took, n / spent, (sum(after_cpu.values()) - sum(cpu.values())) / 1000 / n, before, after


def queued(base, a, lines):
    sizes = (a.queued // 10, a.queued)
    figures = {n: [] for n in sizes}
    for i in range(a.rounds):
        for n in sizes:
            data = os.path.join(base, "q%d-%d" % (n, i))
            seeded(data, n, QUEUED)
            s, _ = start(data)
            run.call(s.port, "POST", "/v1/tasks/noop/pause")
            s.stop()
            figures[n].append(run_queue(data, a.seconds))
            shutil.rmtree(data)
    lines += ["", "| queued at the start | start, s | jobs /s | CPU a job, us | memory before, after, KiB |", "|---:|---:|---:|---:|---|"]
    for n in sizes:
        f = figures[n]
        med = lambda i: statistics.median(x[i] for x in f)  # noqa: E731
        lines.append("| %s | %.3f | %.0f (%.0f–%.0f) | %.1f (%.1f–%.1f) | %d, %d |" % (
            format(n, ","), med(0), med(1), min(x[1] for x in f), max(x[1] for x in f), med(2), min(x[2] for x in f), max(x[2] for x in f), med(3), med(4)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kept", type=int, default=5000000)
    p.add_argument("--queued", type=int, default=1000000)
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
            killed(os.path.join(base, "many"), a.kills, lines)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if a.markdown:
        with open(a.markdown, "w") as f:
            f.write(text)


if __name__ == "__main__":
    sys.exit(main())
