#!/usr/bin/env python3
"""speedup.py - CPU-bound work on one worker and on two, and how near to the bare computation it comes.

    bench/speedup.py [--rounds N] [--jobs N] [--polls RATE] [--patience S]

Each round measures, in turns and in the other order each time: the same batch of `primes` on one worker and on two;
a batch of tasks of 20 ms on two workers, alone and with RATE polls a second going on; and batches of shorter tasks. Beside
each stands the bare computation by as many processes, without a service, in the same round.

wall        from the submission of the batch to the answer that its group has ended
undisturbed the same without what other users of the machine took: the mean of the workers' time on a processor and of their time
            without work, leaving out that in which they could have run and had no processor (/proc/PID/schedstat); and,
            since on an idle machine they would share the processors with the workers, the processor time of the front end
            and of the poller, divided by the processors, where there are as many workers as processors. Of the bare
            computation it is the processor time.

Before each measurement it waits until nobody else uses the machine, for PATIENCE seconds at most.
The ratio of the least times is of what was disturbed least; median, least and greatest are of the ratios within a round.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run  # noqa: E402

LONG, LONG_JOBS = 0.1, 8  # seconds of a job on one core, jobs: for 1 worker against 2
SHORT = 0.02
BRIEF = {"5 ms": (0.005, 200), "1 ms": (0.001, 1000), "0.2 ms": (0.0002, 4000)}  # seconds of a job, jobs


def bare(limit, processes, repeats):
    told = run.run_json([run.FLOORS, "primes", run.PRIMES, str(limit), str(processes), str(repeats)])
    return told["seconds"], told["cpu_seconds"] / processes


def idle_share(seconds):
    def ticks():
        with open("/proc/stat") as f:
            return [int(x) for x in f.readline().split()[1:9]]
    before = ticks()
    time.sleep(seconds)
    passed = [b - a for a, b in zip(before, ticks())]
    return (passed[3] + passed[4]) / max(1, sum(passed))


def await_quiet(patience):
    until = time.monotonic() + patience
    while idle_share(0.3) < 0.95 and time.monotonic() < until:
        pass


def calibrate(seconds):
    """A limit for which `primes` takes so long."""
    limit, repeats = 1000000, max(10, int(0.1 / seconds))
    for _ in range(6):
        took = min(bare(limit, 1, repeats)[1] for _ in range(3)) / repeats
        limit = int(limit * seconds / took)
    return limit


def schedule(pid):
    """Seconds on a processor, and seconds in which it could have run and had none; of all threads."""
    ran = waited = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, thread)) as f:
            figures = f.read().split()
        ran, waited = ran + int(figures[0]) / 1e9, waited + int(figures[1]) / 1e9
    return ran, waited


class Quiet:
    """What a batch would take alone on the machine, from now to told()."""

    def __init__(self, service, poller=None):
        self.workers = [w["pid"] for w in run.call(service.port, "GET", "/v1/workers")[1]["workers"]]
        self.others = [service.process.pid] + ([poller.pid] if poller else [])
        self.before = {pid: schedule(pid) for pid in self.workers + self.others}
        self.begin = time.monotonic()

    def told(self):
        wall = time.monotonic() - self.begin
        taken = {pid: [b - a for a, b in zip(self.before[pid], schedule(pid))] for pid in self.before}
        needed = [ran + max(0, wall - ran - waited) for ran, waited in (taken[pid] for pid in self.workers)]
        besides = sum(taken[pid][0] for pid in self.others)
        cores = os.cpu_count()
        return wall, statistics.mean(needed) + (besides / cores if len(self.workers) >= cores else 0)


def batch_seconds(service, jobs, limit, poller=None):
    quiet = Quiet(service, poller)
    group = run.submit_batch(service.port, jobs, {"task": "primes", "input": {"limit": limit}})
    counts = run.call(service.port, "GET", "/v1/groups/%s?wait=300" % group)[1]
    took = quiet.told()
    if counts["counts"].get("succeeded") != jobs:
        raise SystemExit("the batch failed: %s" % counts)
    return took


def polled_seconds(service, jobs, limit, rate):
    """The same while a job is polled; and the polls a second."""
    job = run.call(service.port, "POST", "/v1/jobs", '{"task":"noop","delay":3600}')[1]["id"]
    poller = subprocess.Popen([run.LOAD, str(service.port), "1", "600@%g" % rate, "GET", "/v1/jobs/" + job], stdout=subprocess.PIPE, text=True)
    took = batch_seconds(service, jobs, limit, poller)
    poller.terminate()
    told = json.loads(poller.communicate(timeout=60)[0])
    if told["bad"]:
        raise SystemExit("polls failed: %s" % told)
    return took, told["rate"]


def measure(one, two, a):
    """The rounds: {figure: [(wall, undisturbed), …]}, and the rates of the polls."""
    long, short = calibrate(LONG), calibrate(SHORT)
    rates = []

    def polled():
        took, rate = polled_seconds(two, a.jobs, short, a.polls)
        rates.append(rate)
        return took

    what = {
        "1 worker": lambda: batch_seconds(one, LONG_JOBS, long),
        "2 workers": lambda: batch_seconds(two, LONG_JOBS, long),
        "bare, 1 process": lambda: bare(long, 1, LONG_JOBS),
        "bare, 2 processes": lambda: bare(long, 2, LONG_JOBS // 2),
        "short": lambda: batch_seconds(two, a.jobs, short),
        "short, polled": polled,
        "short, bare": lambda: bare(short, 2, a.jobs // 2),
    }
    for name, (seconds, jobs) in BRIEF.items():
        limit = calibrate(seconds)
        what[name] = lambda limit=limit, jobs=jobs: batch_seconds(two, jobs, limit)
        what[name + ", bare"] = lambda limit=limit, jobs=jobs: bare(limit, 2, jobs // 2)
    figures = {name: [] for name in what}
    for i in range(a.rounds):
        for name in list(what) if i % 2 else reversed(what):
            await_quiet(a.patience)
            figures[name].append(what[name]())
        print("round %d of %d" % (i + 1, a.rounds), file=sys.stderr)
    return figures, rates


RATIOS = [
    ("speed-up, 1 to 2 workers", "1 worker", "2 workers", "≥ 1.95"),
    ("speed-up of the bare computation", "bare, 1 process", "bare, 2 processes", ""),
    ("%d tasks of 20 ms / bare", "short", "short, bare", "≤ 1.02"),
    ("%d tasks of 20 ms with %.0f polls/s / bare", "short, polled", "short, bare", "≤ 1.08"),
    *[("%d tasks of %s / bare" % (jobs, name), name, name + ", bare", "") for name, (_, jobs) in BRIEF.items()],
]


def table(figures, jobs, rate):
    lines = ["| ratio | of | of the least times | median | least | greatest | goal |", "|---|---|---:|---:|---:|---:|---|"]
    for name, above, below, goal in RATIOS:
        if "%" in name:
            name %= (jobs, rate) if "polls" in name else jobs
        for k, of in enumerate(("wall", "undisturbed")):
            x, y = [v[k] for v in figures[above]], [v[k] for v in figures[below]]
            pairs = [p / q for p, q in zip(x, y)]
            lines.append("| %s | %s | %.3f | %.3f | %.3f | %.3f | %s |" % (name, of, min(x) / min(y), statistics.median(pairs), min(pairs), max(pairs), goal))
    lines += ["", "| seconds | wall, least | median | greatest | undisturbed, least | median | greatest |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name, both in figures.items():
        told = [f(v[k] for v in both) for k in (0, 1) for f in (min, statistics.median, max)]
        lines.append("| %s | %s |" % (name, " | ".join("%.3f" % t for t in told)))
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--jobs", type=int, default=200)
    p.add_argument("--polls", type=float, default=1000)
    p.add_argument("--patience", type=float, default=10)
    a = p.parse_args()
    base = tempfile.mkdtemp(prefix="jobmill-bench-", dir=os.environ.get("DATA"))
    services = []
    try:
        for workers in (1, 2):
            services.append(run.jobmill(os.path.join(base, str(workers)), workers))
        figures, rates = measure(services[0], services[1], a)
    finally:
        for s in services:
            s.stop()
        shutil.rmtree(base, ignore_errors=True)
    print(table(figures, a.jobs, statistics.median(rates)))


if __name__ == "__main__":
    main()
