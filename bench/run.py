#!/usr/bin/env python3
"""run.py - jobmill beside the floors of this machine, in one run, interleaved.

    bench/run.py [--rounds N] [--seconds S] [--short] [--peers] [--markdown FILE] [--svg FILE]

Each round measures every floor and every figure of jobmill once. Those that are compared are measured in
many short turns; quoted are median, least and greatest of the rounds. Client, service and workers share the machine's cores, so
ratios count and absolute figures do not. --peers measures the peers in the same rounds (peers.py), and
--svg draws jobmill beside them. --short is for CI: one short round, and it fails only where a ratio is
less than half as good as the one that docs/performance.md tells in the best of three, too: others use its machines.
"""
import argparse
import concurrent.futures
import http.client
import itertools
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
BATCH = 1000
SHORT_ROUNDS = 3  # at most
TURNS = 5
MEMORIES = (8, 32)  # KiB of a connection: the least that head_memory may be, and the library's own default
SUBMIT = '{"task":"noop","input":{"user":4711,"note":"%s"}}' % ("x" * 150)


class Service:
    """A process that says `listening on …PORT` on its standard output."""

    started = []

    def __init__(self, argv, stdin=None, log=None):
        self.process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=log or subprocess.DEVNULL, text=True)
        self.started.append(self)
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

    @classmethod
    def kill_all(cls):
        """Those that were not stopped, as something went wrong."""
        for s in cls.started:
            if s.process.poll() is None:
                s.process.kill()
                s.process.wait()


def floor_http(threads=1, *memory):
    """memory: bytes of a connection; by default as many as the service's head_memory is."""
    return Service([FLOORS, "http", *map(str, (threads, *memory))], stdin=subprocess.PIPE)


def jobmill(data, workers=2, extra=()):
    return Service([JOBMILL, "serve", "--listen", "127.0.0.1:0", "--data-dir", data, "--workers", str(workers), "--log-level", "warn", *extra])


def run_json(argv, env=None):
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=600, env=env)
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


def queued(port, conns, seconds):
    """Submissions of a task that is paused: nothing but what it takes to keep them."""
    call(port, "POST", "/v1/tasks/noop/pause")
    r = load(port, conns, seconds, "POST", "/v1/jobs", SUBMIT)
    call(port, "POST", "/v1/tasks/noop/resume")
    await_empty(port)
    return r


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


def tag_of(port, path):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request("GET", path)
    answer = c.getresponse()
    answer.read()
    c.close()
    return answer.getheader("ETag")


def batch_of(n, job=None):
    return json.dumps({"jobs": [job or json.loads(SUBMIT)] * n})


def submit_batch(port, n, job=None):
    """Its group."""
    status, told = call(port, "POST", "/v1/jobs/batch", batch_of(n, job))
    if status != 202:
        raise SystemExit("a batch was refused: %s" % told)
    return told["id"]


def await_group(port, group):
    until = time.monotonic() + 120
    while not call(port, "GET", "/v1/groups/%s?wait=60" % group)[1]["done"]:
        if time.monotonic() > until:
            raise SystemExit("a batch did not end")


def batches(port, seconds):
    """Batches by two clients: jobs accepted a second, and jobs a second from the first submission to the end of the last group."""
    body = batch_of(BATCH)
    begin = time.monotonic()

    def client(_):
        c, made = http.client.HTTPConnection("127.0.0.1", port, timeout=60), []
        while not made or time.monotonic() - begin < seconds:
            c.request("POST", "/v1/jobs/batch", body)
            answer = c.getresponse()
            told = json.loads(answer.read())
            if "id" not in told:
                raise SystemExit("a batch was refused: %s" % told)
            made.append(told["id"])
        c.close()
        return made

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        groups = [g for made in pool.map(client, range(2)) for g in made]
    jobs, accepted = len(groups) * BATCH, time.monotonic() - begin
    for g in groups:
        await_group(port, g)
    return jobs / accepted, jobs / (time.monotonic() - begin)


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


def in_turns(seconds, cases):
    """Measures each of {name: what measures it for so many seconds} for `seconds` in all, in short turns, so that what
    disturbs the machine for a while disturbs all of them: {name: its figures, means of the turns'}."""
    told = {name: [] for name in cases}
    for turn in range(TURNS):
        for name in list(cases) if turn % 2 else reversed(cases):
            told[name].append(cases[name](seconds / TURNS))
    return {name: {k: statistics.mean(r[k] for r in rs) for k in ("rate", "p50_us", "p99_us") if k in rs[0]} for name, rs in told.items()}


class Round:
    """What is measured in one round, and the servers that it is measured on."""

    def __init__(self, seconds, data, limit, polls, figures):
        self.seconds, self.data, self.limit, self.polls, self.figures = seconds, data, limit, polls, figures
        self.floor = floor_http()
        self.pool = floor_http(2)  # for what is parsed: better with 256 connections, and no worse with 64
        self.others = {kib: (floor_http(1, kib << 10), floor_http(2, kib << 10)) for kib in MEMORIES}
        self.service = jobmill(os.path.join(data, "store"))
        self.port = self.service.port

    def note(self, name, value):
        self.figures.setdefault(name, []).append(value)

    def note_all(self, told, percentiles=()):
        for name, r in told.items():
            self.note(name + " /s", r["rate"])
            for k in ("p50", "p99") if name in percentiles else ():
                self.note("%s %s us" % (name, k), r[k + "_us"])

    def emptied(self, *request):
        def measure(seconds):
            r = load(self.port, request[0], seconds, *request[1:])
            await_empty(self.port)
            return r
        return measure

    def submissions(self, conns):
        """Of `conns` connections, beside floors; returns what was measured."""
        floor, pool, at = self.floor.port, self.pool.port, ", %d connections" % conns
        submitted, whole = "durable submissions" + at, "whole jobs" + at
        cases = {
            "floor: empty POST" + at: lambda s: load(floor, conns, s, "POST", "/", SUBMIT),
            "floor: POST of a small JSON" + at: lambda s: load(pool, conns, s, "POST", "/json", SUBMIT),
            "floor: POST that is suspended and resumed" + at: lambda s: load(floor, conns, s, "POST", "/suspended", SUBMIT),
            submitted: self.emptied(conns, "POST", "/v1/jobs", SUBMIT),
            whole: self.emptied(conns, "POST", "/v1/jobs?wait=30", SUBMIT),
            "durable submissions to a paused task" + at: lambda s: queued(self.port, conns, s),
        }
        if conns == 64:
            for kib, (_, p) in self.others.items():
                cases["floor: POST of a small JSON, %d KiB%s" % (kib, at)] = lambda s, p=p.port: load(p, conns, s, "POST", "/json", SUBMIT)
        told = in_turns(self.seconds, cases)
        self.note_all(told, (submitted, whole))
        return told

    def half_load(self, rate):
        r = load(self.port, 64, "%g@%g" % (self.seconds, max(rate / 2, 1)), "POST", "/v1/jobs?wait=30", SUBMIT)
        self.note("whole jobs at half load, 64 connections p50 us", r["p50_us"])
        self.note("whole jobs at half load, 64 connections p99 us", r["p99_us"])

    def bulk(self):
        accepted, ended = batches(self.port, self.seconds)
        self.note("batches of %d, accepted jobs /s" % BATCH, accepted)
        self.note("batches of %d, to the end, jobs /s" % BATCH, ended)

    def bare(self):
        for of in ("20", "1"):
            told = run_json([FLOORS, "sqlite", self.data, of, str(self.seconds)])
            self.note("floor: SQLite %s, rows /s" % ("group commit of 20" if of == "20" else "commit of 1"), told["rate"])
        self.note("floor: socketpair round trip p50 us", run_json([FLOORS, "socketpair", str(self.seconds)])["p50_us"])

    def polled(self):
        """Polls, and one job at a time, alone and beside a second service that holds long polls."""
        crowded = jobmill(os.path.join(self.data, "crowded"))
        jobs = {port: call(port, "POST", "/v1/jobs?wait=10", SUBMIT)[1]["id"] for port in (self.port, crowded.port)}
        held = hold_polls(crowded.port, self.polls)
        self.note("memory with %d long-polls KiB" % self.polls, memory_kib(crowded.process.pid))
        path = "/v1/jobs/" + jobs[self.port]
        tag = "If-None-Match: " + tag_of(self.port, path)
        alone, same, among = "polls, 64 connections", "polls answered 304, 64 connections", "polls among long-polls, 64 connections"
        self.note_all(in_turns(self.seconds, {
            "floor: empty GET, 64 connections": lambda s: load(self.floor.port, 64, s, "GET", "/"),
            **{"floor: empty GET, %d KiB, 64 connections" % kib: lambda s, p=p.port: load(p, 64, s, "GET", "/")
               for kib, (p, _) in self.others.items()},
            "floor: GET of the same answer, 64 connections": lambda s: load(self.floor.port, 64, s, "GET", "/same"),
            alone: lambda s: load(self.port, 64, s, "GET", path),
            same: lambda s: load(self.port, 64, s, "GET", path, "", tag),
            among: lambda s: load(crowded.port, 64, s, "GET", "/v1/jobs/" + jobs[crowded.port]),
        }), (alone, same))
        told = in_turns(self.seconds, {
            "floor: fdatasync of 4 KiB": lambda s: run_json([FLOORS, "fsync", self.data, str(s)]),
            "whole job alone": lambda s: load(self.port, 1, s, "POST", "/v1/jobs?wait=30", SUBMIT),
            "whole job among %d long-polls" % self.polls: lambda s: load(crowded.port, 1, s, "POST", "/v1/jobs?wait=30", SUBMIT),
        })
        for name, r in told.items():
            self.note(name + " p50 us", r["p50_us"])
        for s in held:
            s.close()
        crowded.stop()

    def computed(self):
        single = jobmill(os.path.join(self.data, "one"), workers=1)
        for n in ("1", "2"):
            told = run_json([FLOORS, "primes", PRIMES, str(self.limit), n])
            self.note("floor: primes, %s s" % ("1 process" if n == "1" else "2 processes"), told["seconds"])
        self.note("primes, 2 jobs on 2 workers s", primes_seconds(self.port, 2, self.limit))
        self.note("primes, 2 jobs on 1 worker s", primes_seconds(single.port, 2, self.limit))
        single.stop()

    def run(self):
        self.note("memory idle KiB", memory_kib(self.service.process.pid))
        self.submissions(1)
        self.half_load(self.submissions(64)["whole jobs, 64 connections"]["rate"])
        self.submissions(256)
        self.bulk()
        self.bare()
        self.polled()
        self.computed()
        for s in (self.service, self.floor, self.pool, *itertools.chain(*self.others.values())):
            s.stop()


RATIOS = [
    # what, numerator, denominator (None: the figure itself), goal, is more better?, the median that docs/performance.md tells
    ("durable submissions / empty POST, 64", "durable submissions, 64 connections /s", "floor: empty POST, 64 connections /s", 0.60, True, 0.32),
    ("durable submissions / empty POST, 256", "durable submissions, 256 connections /s", "floor: empty POST, 256 connections /s", 0.65, True, None),
    ("durable submissions to a paused task / empty POST, 64", "durable submissions to a paused task, 64 connections /s", "floor: empty POST, 64 connections /s", None, True, None),
    ("durable submissions to a paused task / empty POST, 256", "durable submissions to a paused task, 256 connections /s", "floor: empty POST, 256 connections /s", None, True, None),
    ("durable submissions / POST of a small JSON, 64", "durable submissions, 64 connections /s", "floor: POST of a small JSON, 64 connections /s", None, True, None),
    ("durable submissions / POST of a small JSON, 256", "durable submissions, 256 connections /s", "floor: POST of a small JSON, 256 connections /s", None, True, None),
    ("durable submissions to a paused task / POST of a small JSON, 64", "durable submissions to a paused task, 64 connections /s", "floor: POST of a small JSON, 64 connections /s", 0.60, True, None),
    ("the same / POST of a small JSON with 8 KiB a connection, 64", "durable submissions to a paused task, 64 connections /s", "floor: POST of a small JSON, 8 KiB, 64 connections /s", None, True, None),
    ("the same / POST of a small JSON with 32 KiB a connection, 64", "durable submissions to a paused task, 64 connections /s", "floor: POST of a small JSON, 32 KiB, 64 connections /s", 0.60, True, None),
    ("durable submissions to a paused task / POST of a small JSON, 256", "durable submissions to a paused task, 256 connections /s", "floor: POST of a small JSON, 256 connections /s", 0.65, True, None),
    ("durable submissions / POST that is suspended and resumed, 64", "durable submissions, 64 connections /s", "floor: POST that is suspended and resumed, 64 connections /s", None, True, None),
    ("POST that is suspended and resumed / empty POST, 64", "floor: POST that is suspended and resumed, 64 connections /s", "floor: empty POST, 64 connections /s", None, True, None),
    ("whole jobs / empty POST, 64", "whole jobs, 64 connections /s", "floor: empty POST, 64 connections /s", 0.40, True, 0.32),
    ("whole jobs / POST of a small JSON, 64", "whole jobs, 64 connections /s", "floor: POST of a small JSON, 64 connections /s", 0.40, True, None),
    ("polls / empty GET, 64", "polls, 64 connections /s", "floor: empty GET, 64 connections /s", 0.85, True, 0.82),
    ("polls / empty GET with 8 KiB a connection, 64", "polls, 64 connections /s", "floor: empty GET, 8 KiB, 64 connections /s", None, True, None),
    ("polls / empty GET with 32 KiB a connection, 64", "polls, 64 connections /s", "floor: empty GET, 32 KiB, 64 connections /s", 0.85, True, None),
    ("polls / GET of the same answer, 64", "polls, 64 connections /s", "floor: GET of the same answer, 64 connections /s", None, True, None),
    ("polls answered 304 / empty GET, 64", "polls answered 304, 64 connections /s", "floor: empty GET, 64 connections /s", None, True, None),
    ("polls among 10000 long-polls / polls alone, 64", "polls among long-polls, 64 connections /s", "polls, 64 connections /s", 0.95, True, None),
    ("batches of 1000, accepted jobs /s", "batches of 1000, accepted jobs /s", None, 100000, True, None),
    ("submission p99 / p50, 64", "durable submissions, 64 connections p99 us", "durable submissions, 64 connections p50 us", 3, False, None),
    ("whole job p99 / p50, 64", "whole jobs, 64 connections p99 us", "whole jobs, 64 connections p50 us", 4, False, None),
    ("poll p99 / p50, 64", "polls, 64 connections p99 us", "polls, 64 connections p50 us", None, False, None),
    ("speed-up of primes, 1 to 2 workers", "primes, 2 jobs on 1 worker s", "primes, 2 jobs on 2 workers s", 1.95, True, None),
    ("speed-up of the bare computation", "bare", None, None, True, None),
    ("whole job p99 / p50 at half load, 64", "whole jobs at half load, 64 connections p99 us", "whole jobs at half load, 64 connections p50 us", 3, False, None),
    ("one whole job, p50 less one fdatasync, us", "less", None, 150, False, None),
    ("one whole job, p50 / fdatasync", "whole job alone p50 us", "floor: fdatasync of 4 KiB p50 us", 2, False, None),
]


def ratios(figures):
    """(what, median, least, greatest, goal, is more better?, published) of each."""
    out = []
    for what, num, den, goal, more, published in RATIOS:
        if num == "bare":
            values = [2 * a / b for a, b in zip(figures["floor: primes, 1 process s"], figures["floor: primes, 2 processes s"])]
        elif num == "less":
            values = [a - b for a, b in zip(figures["whole job alone p50 us"], figures["floor: fdatasync of 4 KiB p50 us"])]
        else:
            values = [a / b for a, b in zip(figures[num], figures[den]) if b] if den else figures[num]
        if not values:
            raise SystemExit("%s: in no round was there an answer" % what)
        out.append((what, statistics.median(values), min(values), max(values), goal, more, published))
    return out


def far_off(rs):
    """Those that are less than half as good as what was published, in each round."""
    return [r for r in rs if r[6] is not None and (r[3] < r[6] / 2 if r[5] else r[2] > r[6] * 2)]


def markdown(figures, rs):
    lines = ["| figure | median | least | greatest |", "|---|---:|---:|---:|"]
    for name, v in figures.items():
        digits = 3 if name.endswith(" s") else 0
        lines.append("| %s | %.*f | %.*f | %.*f |" % (name, digits, statistics.median(v), digits, min(v), digits, max(v)))
    lines += ["", "| ratio, round by round | median | least | greatest | goal | |", "|---|---:|---:|---:|---|---|"]
    for what, med, lo, hi, goal, more, _ in rs:
        told = ("", "") if goal is None else (("≥ " if more else "≤ ") + str(goal), "reached" if (med >= goal) == more or med == goal else "not reached")
        digits = 0 if med >= 1000 else 2
        lines.append("| %s | %.*f | %.*f | %.*f | %s | %s |" % (what, digits, med, digits, lo, digits, hi, *told))
    return "\n".join(lines) + "\n"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--polls", type=int, default=10000)
    p.add_argument("--limit", type=int, default=800000000)
    p.add_argument("--short", action="store_true")
    p.add_argument("--peers", action="store_true")
    p.add_argument("--markdown")
    p.add_argument("--svg")
    a = p.parse_args()
    if a.short:
        a.rounds, a.seconds, a.polls, a.limit = 1, 0.5, 1000, 50000000
    if a.svg and not a.peers:
        p.error("--svg draws the peers: it needs --peers")
    if a.peers:
        import peers  # which imports this file
    figures, theirs = {}, {}
    base = tempfile.mkdtemp(prefix="jobmill-bench-", dir=os.environ.get("DATA"))
    try:
        for i in itertools.count():
            if i >= a.rounds and not (a.short and i < SHORT_ROUNDS and far_off(ratios(figures))):
                break
            data = os.path.join(base, str(i))
            os.mkdir(data)
            Round(a.seconds, data, a.limit, a.polls, figures).run()
            if a.peers:
                peers.one_round(a.seconds, data, i, theirs)
            print("round %d of %d" % (i + 1, max(i + 1, a.rounds)), file=sys.stderr)
    finally:
        Service.kill_all()
        shutil.rmtree(base, ignore_errors=True)
    rs = ratios(figures)
    text = markdown(figures, rs)
    if a.peers:
        beside = peers.ratios(theirs)
        text += "\n" + peers.markdown(theirs, beside)
        rs += beside
    print(text)
    for path, content in ((a.markdown, text), (a.svg, a.svg and peers.svg(theirs))):
        if path:
            with open(path, "w") as f:
                f.write(content)
    off = far_off(rs) if a.short else []
    for r in off:
        print("far off: %s is %.2f at best, published is %s" % (r[0], r[3] if r[5] else r[2], r[6]))
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
