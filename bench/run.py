#!/usr/bin/env python3
"""run.py - jobmill beside the floors of this machine, in one run, interleaved.

    bench/run.py [--rounds N] [--seconds S] [--short] [--json FILE] [--markdown FILE]

Each round measures every floor and every figure of jobmill once, one after the other; quoted are
median, least and greatest of the rounds. Client, service and workers share the machine's cores, so
ratios count and absolute figures do not. --short is for CI: one short round, and it fails only where a
ratio is off by more than half of its goal.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("BUILD", "build")
LOAD = os.path.join(BUILD, "bench", "load")
FLOORS = os.path.join(BUILD, "bench", "floors")
JOBMILL = os.environ.get("JOBMILL_BIN", os.path.join(BUILD, "jobmill"))
PRIMES = os.path.join(BUILD, "tasks", "primes.so")
SUBMIT = '{"task":"noop","input":{"user":4711,"note":"%s"}}' % ("x" * 150)


class Service:
    """A process that says `listening on …PORT` on its standard output."""

    def __init__(self, argv, stdin=None, log=None):
        self.process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=log or subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if "listening on" not in line:
            self.process.kill()
            raise SystemExit("did not start: %s" % " ".join(argv))
        self.port = int(line.strip().split()[-1].rsplit(":", 1)[-1])

    def stop(self):
        if self.process.stdin:
            self.process.stdin.close()
        else:
            self.process.terminate()
        self.process.wait(timeout=60)


def floor_http():
    return Service([FLOORS, "http"], stdin=subprocess.PIPE)


def jobmill(data, workers=2, extra=()):
    return Service([JOBMILL, "serve", "--listen", "127.0.0.1:0", "--data-dir", data, "--workers", str(workers), "--log-level", "warn", *extra])


def run_json(argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=600)
    if done.returncode not in (0, 2):
        raise SystemExit("failed: %s" % " ".join(argv))
    return json.loads(done.stdout)


def load(port, conns, seconds, method, path, body="", *headers):
    return run_json([LOAD, str(port), str(conns), str(seconds), method, path, body, *headers])


def call(port, method, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    c.request(method, path, body)
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, json.loads(data) if data[:1] in b"{[" else data


def await_empty(port):
    """Waits until nothing is queued or running: what one figure left does not weigh on the next."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        jobs = call(port, "GET", "/v1/stats")[1]["jobs"]
        if not any(jobs.get(s, 0) for s in ("queued", "running", "scheduled")):
            return
        time.sleep(0.02)
    raise SystemExit("the queue did not empty")


def primes_seconds(port, jobs, limit):
    body = json.dumps({"task": "primes", "input": {"limit": limit}, "max_attempts": 1})
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        answers = list(pool.map(lambda _: call(port, "POST", "/v1/jobs?wait=120", body), range(jobs)))
    took = time.monotonic() - begin
    if any(a[1].get("state") != "succeeded" for a in answers):
        raise SystemExit("primes failed: %s" % answers[0][1])
    return took


def hold_polls(port, count):
    """Opens `count` long-polls on one job that does not end; returns their sockets and the memory each costs."""
    job = call(port, "POST", "/v1/jobs", json.dumps({"task": "sleep", "input": {"seconds": 600}, "delay": 3000}))[1]["id"]
    request = ("GET /v1/jobs/%s?wait=120 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (job, port)).encode()
    held = []
    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(request)
        held.append(s)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if call(port, "GET", "/v1/stats")[1]["http"]["waiting"] >= count:
            return held
        time.sleep(0.05)
    raise SystemExit("the long-polls were not taken")


def memory_kib(pid):
    """Proportional set size of the service and all its descendants."""
    total, todo = 0, [pid]
    while todo:
        p = todo.pop()
        try:
            with open("/proc/%d/smaps_rollup" % p) as f:
                total += sum(int(l.split()[1]) for l in f if l.startswith("Pss:"))
            for t in os.listdir("/proc/%d/task" % p):
                with open("/proc/%d/task/%s/children" % (p, t)) as f:
                    todo += [int(x) for x in f.read().split()]
        except OSError:
            pass
    return total


def one_round(seconds, data, limit, polls, figures):
    def note(name, value):
        figures.setdefault(name, []).append(value)

    floor = floor_http()
    service = jobmill(data)
    port = service.port
    note("memory idle KiB", memory_kib(service.process.pid))
    for conns in (1, 64):
        r = load(floor.port, conns, seconds, "POST", "/", SUBMIT)
        note("floor: empty POST, %d connections /s" % conns, r["rate"])
        r = load(port, conns, seconds, "POST", "/v1/jobs", SUBMIT)
        note("durable submissions, %d connections /s" % conns, r["rate"])
        note("durable submissions, %d connections p50 us" % conns, r["p50_us"])
        note("durable submissions, %d connections p99 us" % conns, r["p99_us"])
        await_empty(port)
        r = load(port, conns, seconds, "POST", "/v1/jobs?wait=30", SUBMIT)
        note("whole jobs, %d connections /s" % conns, r["rate"])
        note("whole jobs, %d connections p50 us" % conns, r["p50_us"])
        note("whole jobs, %d connections p99 us" % conns, r["p99_us"])
        await_empty(port)
    note("floor: SQLite group commit of 20, rows /s", run_json([FLOORS, "sqlite", data, "20", str(seconds)])["rate"])
    note("floor: SQLite commit of 1, rows /s", run_json([FLOORS, "sqlite", data, "1", str(seconds)])["rate"])
    note("floor: fdatasync of 4 KiB p50 us", run_json([FLOORS, "fsync", data, str(seconds)])["p50_us"])
    note("floor: socketpair round trip p50 us", run_json([FLOORS, "socketpair", str(seconds)])["p50_us"])
    job = call(port, "POST", "/v1/jobs?wait=10", SUBMIT)[1]["id"]
    note("floor: empty GET, 64 connections /s", load(floor.port, 64, seconds, "GET", "/")["rate"])
    r = load(port, 64, seconds, "GET", "/v1/jobs/" + job)
    note("polls, 64 connections /s", r["rate"])
    note("polls, 64 connections p99 us", r["p99_us"])

    alone = load(port, 1, seconds, "POST", "/v1/jobs?wait=30", SUBMIT)
    held = hold_polls(port, polls)
    note("memory with %d long-polls KiB" % polls, memory_kib(service.process.pid))
    among = load(port, 1, seconds, "POST", "/v1/jobs?wait=30", SUBMIT)
    note("whole job alone p50 us", alone["p50_us"])
    note("whole job among %d long-polls p50 us" % polls, among["p50_us"])
    for s in held:
        s.close()

    note("floor: primes, 1 process s", run_json([FLOORS, "primes", PRIMES, str(limit), "1"])["seconds"])
    note("floor: primes, 2 processes s", run_json([FLOORS, "primes", PRIMES, str(limit), "2"])["seconds"])
    note("primes, 2 jobs on 2 workers s", primes_seconds(port, 2, limit))
    service.stop()
    single = jobmill(data + "-one", workers=1)
    note("primes, 2 jobs on 1 worker s", primes_seconds(single.port, 2, limit))
    single.stop()
    floor.stop()


RATIOS = [
    # what, numerator, denominator, goal, is more better?
    ("durable submissions / empty POST, 64", "durable submissions, 64 connections /s", "floor: empty POST, 64 connections /s", 0.60, True),
    ("whole jobs / empty POST, 64", "whole jobs, 64 connections /s", "floor: empty POST, 64 connections /s", 0.40, True),
    ("polls / empty GET, 64", "polls, 64 connections /s", "floor: empty GET, 64 connections /s", 0.85, True),
    ("submission p99 / p50, 64", "durable submissions, 64 connections p99 us", "durable submissions, 64 connections p50 us", 3, False),
    ("whole job p99 / p50, 64", "whole jobs, 64 connections p99 us", "whole jobs, 64 connections p50 us", 4, False),
    ("speed-up of primes, 1 to 2 workers", "primes, 2 jobs on 1 worker s", "primes, 2 jobs on 2 workers s", 1.95, True),
    ("speed-up of the bare computation", None, None, None, True),
    ("one whole job, p50 / fdatasync", "whole job alone p50 us", "floor: fdatasync of 4 KiB p50 us", 2, False),
]


def ratios(figures):
    out = []
    for what, num, den, goal, more in RATIOS:
        if num is None:
            values = [2 * a / b for a, b in zip(figures["floor: primes, 1 process s"], figures["floor: primes, 2 processes s"])]
        else:
            values = [a / b for a, b in zip(figures[num], figures[den])]
        out.append((what, statistics.median(values), min(values), max(values), goal, more))
    return out


def markdown(figures, rs, polls):
    lines = ["| figure | median | least | greatest |", "|---|---:|---:|---:|"]
    for name, v in figures.items():
        digits = 3 if name.endswith(" s") else 0
        lines.append("| %s | %.*f | %.*f | %.*f |" % (name, digits, statistics.median(v), digits, min(v), digits, max(v)))
    lines += ["", "| ratio, round by round | median | least | greatest | goal |", "|---|---:|---:|---:|---|"]
    for what, med, lo, hi, goal, more in rs:
        lines.append("| %s | %.2f | %.2f | %.2f | %s |" % (what, med, lo, hi, "" if goal is None else ("≥ " if more else "≤ ") + str(goal)))
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--polls", type=int, default=10000)
    p.add_argument("--limit", type=int, default=200000000)
    p.add_argument("--short", action="store_true")
    p.add_argument("--markdown")
    a = p.parse_args()
    if a.short:
        a.rounds, a.seconds, a.polls, a.limit = 1, 0.5, 1000, 50000000
    figures = {}
    base = tempfile.mkdtemp(prefix="jobmill-bench-", dir=os.environ.get("DATA"))
    try:
        for i in range(a.rounds):
            data = os.path.join(base, str(i))
            os.mkdir(data)
            one_round(a.seconds, data, a.limit, a.polls, figures)
            print("round %d of %d" % (i + 1, a.rounds), file=sys.stderr)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    rs = ratios(figures)
    text = markdown(figures, rs, a.polls)
    print(text)
    if a.markdown:
        with open(a.markdown, "w") as f:
            f.write(text)
    if a.short:
        off = [r for r in rs if r[4] is not None and (r[1] < r[4] / 2 if r[5] else r[1] > r[4] * 2)]
        for r in off:
            print("far off: %s is %.2f, the goal %s" % (r[0], r[1], r[4]))
        return 1 if off else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
