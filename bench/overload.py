#!/usr/bin/env python3
"""overload.py - more load than the service can carry: what is taken, what is refused, and how long the taken takes.

    bench/overload.py [--rounds N] [--seconds S] [--only closed|open] [--keep FILE] [--markdown FILE]

Each case has a service of its own. Its capacity is found first: what 64 connections get, which keep it busy in a closed loop (each asks again
when it was answered). Then

- a closed loop with ten and a hundred times as many connections: the rate must hold, and the latency may grow as the queue does and no more;
- an open loop: jobs come at random (Poisson) 0.5, 1, 2 and 10 times as often as the capacity, whether or not those before were answered, over
  6,400 or 640 connections, taken by turns, each with one request in flight. What finds none free waits in the client, in its order. Times are
  from when a request was due, and beside that from when it was sent; what was not sent by the end is told as a share;
- each of both kinds against a service that takes 64 changes at a time (max_pending_changes) and refuses what is more with 503. Those who are
  refused in the closed loop ask again at once, which nobody should: Retry-After says one second. In the open loop they are gone.

What the number of connections alone costs is told by the floor: a server of the same library that suspends each POST and answers at once, in the
closed loop. The ratio is what was taken by the capacity of the same service. Load and service share the machine, and refusing costs both of them time: so the
CPU time of the service for each job taken is told, and how much of the processors the load itself took. A case during which this process
stood still for STILL seconds (a machine that others use, or that is virtual) is measured again, and where there are rounds of a case during
which others took less than OTHERS processors, the figures are of these. --keep adds the rounds to those that FILE holds and tells the figures of all.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import profile  # noqa: E402
import run  # noqa: E402

STILL = 0.25  # seconds
OTHERS = 0.2  # processors
BASE = 64  # connections that keep it busy
LOW = ("--max-pending-changes", "64")
CLOSED = [  # what, connections, settings
    ("640 connections", 640, ()),
    ("6,400 connections", 6400, ()),
    ("640 connections, 64 changes at a time", 640, LOW),
]
FLOORS = [640, 6400]
OPEN = [  # what, connections, times the capacity, settings
    ("0.5 times the capacity, 6,400 connections", 6400, 0.5, ()),
    ("1 time", 6400, 1, ()),
    ("2 times", 6400, 2, ()),
    ("10 times", 6400, 10, ()),
    ("10 times, 640 connections", 640, 10, ()),
    ("2 times, 64 changes at a time", 6400, 2, LOW),
    ("10 times, 64 changes at a time", 6400, 10, LOW),
    ("10 times, 640 connections, 64 changes at a time", 640, 10, LOW),
]


class Watch:
    """How long this process stood still at most, while the watch is held."""

    def __enter__(self):
        self.longest, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def look(self):
        last = time.monotonic()
        while not self.ended.wait(0.02):
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def used_s(own):
    """CPU seconds that all processes of the machine used so far, or that its host kept from it; and those of this one and of the children that ended."""
    with open("/proc/stat") as f:
        t = [int(x) for x in f.readline().split()[1:]]
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return (sum(t[:8]) - t[3] - t[4]) / os.sysconf("SC_CLK_TCK"), mine.ru_utime + mine.ru_stime + own.ru_utime + own.ru_stime


def load(service, conns, seconds):
    """What the load tells, and beside it: taken and refused a second, CPU time of the service for a job, and of the load in processors."""
    before = run.call(service.port, "GET", "/v1/stats")[1]["jobs"]["succeeded"]
    own, cpu, begin = resource.getrusage(resource.RUSAGE_CHILDREN), sum(profile.cpu_ns(service.process.pid).values()), time.monotonic()
    machine, ours = used_s(own)
    r = run.load(service.port, conns, seconds, "POST", "/v1/jobs?wait=60", run.SUBMIT)
    done = resource.getrusage(resource.RUSAGE_CHILDREN)
    machine, ours = (b - a for a, b in zip((machine, ours), used_s(done)))
    cpu, whole = sum(profile.cpu_ns(service.process.pid).values()) - cpu, time.monotonic() - begin
    kept, taken = run.call(service.port, "GET", "/v1/stats")[1]["jobs"], r["answers"] - r["bad"]
    if kept["succeeded"] - before < taken or kept["failed"] or r["bad"] != r["overloaded"]:
        raise SystemExit("told %s; kept %s, of which %d before" % (r, kept, before))
    took = r["answers"] / r["rate"]
    r.update(taken=taken / took, refused=r["bad"] / took, cpu_us=cpu / 1000 / taken, service_cpus=cpu / 1e9 / took,
             others=(machine - ours - cpu / 1e9) / whole, load_cpus=(done.ru_utime + done.ru_stime - own.ru_utime - own.ru_stime) / took)
    return r


def undisturbed(*case):
    for _ in range(10):
        with Watch() as w:
            r = one(*case)
        if w.longest < STILL:
            return r
        print("stood still for %.2f s: once more" % w.longest, file=sys.stderr, flush=True)
    raise SystemExit("the machine stands still too often")


def one(base, seconds, settings, conns, times):
    """A round of one case; times: None is the closed loop."""
    service = run.jobmill(tempfile.mkdtemp(dir=base), extra=settings)
    try:
        load(service, BASE, 0.5)
        capacity = load(service, BASE, seconds)
        r = load(service, conns, seconds if times is None else "%g@%g:poisson" % (seconds, times * capacity["taken"]))
        r["memory"] = run.memory_kib(service.process.pid) / 1024
        return {"capacity": capacity, "found": r}
    finally:
        service.stop()


def floor(seconds, rounds):
    """What it gets with FLOORS connections, of what it gets with BASE."""
    f = run.floor_http()
    try:
        def rate(conns):
            return run.load(f.port, conns, seconds, "POST", "/suspended", run.SUBMIT)["rate"]
        capacity = rate(BASE)
        for conns in FLOORS:
            rounds.setdefault(str(conns), []).append(rate(conns) / capacity)
    finally:
        f.stop()


def quiet(rounds):
    """Those during which others did little, if there are any."""
    return [r for r in rounds if max(r["capacity"]["others"], r["found"]["others"]) < OTHERS] or rounds


def spread(values, form):
    values = list(values)
    if len(values) == 1:
        return form % values[0]
    return (form + " (" + form + "–" + form + ")") % (statistics.median(values), min(values), max(values))


def table(heads, rows):
    return ["| %s |" % " | ".join(heads), "|---%s|" % ("|---:" * (len(heads) - 1))] + ["| %s |" % " | ".join(r) for r in rows] + [""]


def common(rounds):
    """The figures of both kinds of loop, in the order of TAKEN."""
    r = [x["found"] for x in rounds]
    return [spread((x["taken"] for x in r), "%.0f"), spread((x["found"]["taken"] / x["capacity"]["taken"] for x in rounds), "%.2f"),
            spread((x["refused"] for x in r), "%.0f")]


def costs(rounds):
    return [spread((x["found"]["cpu_us"] / x["capacity"]["cpu_us"] for x in rounds), "%.2f"), spread((x["found"]["load_cpus"] for x in rounds), "%.2f"),
            spread((x["found"]["memory"] for x in rounds), "%.0f")]


def ms(rounds, *names):
    return [spread((x["found"][n] / 1000 for x in rounds), "%.0f" if statistics.median(x["found"][n] for x in rounds) >= 10000 else "%.1f") for n in names]


TAKEN = ["taken /s", "of the capacity", "refused /s"]
COSTS = ["CPU of the service a job, of that at capacity", "processors that the load took", "memory MiB", "rounds"]


def tell(found):
    lines = []
    floors = found.pop("floor", {})
    made = {what: len(rounds) for what, rounds in found.items()}
    found = {what: quiet(rounds) for what, rounds in found.items()}
    bases = [x["capacity"] for rounds in found.values() for x in rounds]
    if bases:
        lines += ["Capacity, %d connections: %s jobs a second, p50 %s ms, p99 %s ms, CPU of the service %s us a job; the load took %s processors." % (
            BASE, spread((b["taken"] for b in bases), "%.0f"), spread((b["p50_us"] / 1000 for b in bases), "%.1f"), spread((b["p99_us"] / 1000 for b in bases), "%.1f"),
            spread((b["cpu_us"] for b in bases), "%.0f"), spread((b["load_cpus"] for b in bases), "%.2f")), ""]
    rows = [[what, *common(found[what]), *ms(found[what], "p50_us", "p99_us"), *costs(found[what]),
             "%d of %d" % (len(found[what]), made[what])] for what, _, _ in CLOSED if found.get(what)]
    if rows:
        lines += table(["closed loop", *TAKEN, "p50 ms", "p99 ms", *COSTS], rows)
    rows = [[what, *common(found[what]), spread((100 * x["found"]["unsent"] / x["found"]["due"] for x in found[what]), "%.0f"),
             *ms(found[what], "p50_us", "p99_us", "sent_p50_us", "sent_p99_us"), *costs(found[what]),
             "%d of %d" % (len(found[what]), made[what])] for what, _, _, _ in OPEN if found.get(what)]
    if rows:
        lines += table(["open loop", *TAKEN, "not sent, %", "p50 ms", "p99 ms", "p50 ms from sent", "p99 ms from sent", *COSTS], rows)
    for conns, ratios in floors.items():
        lines += ["The floor with %s connections gets %s of what it gets with %d." % (conns, spread(ratios, "%.2f"), BASE)]
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--only", choices=("closed", "open"))
    p.add_argument("--keep")
    p.add_argument("--markdown")
    a = p.parse_args()
    cases = [] if a.only == "open" else [(what, settings, conns, None) for what, conns, settings in CLOSED]
    cases += [] if a.only == "closed" else [(what, settings, conns, times) for what, conns, times, settings in OPEN]
    found = {}
    if a.keep and os.path.exists(a.keep):
        with open(a.keep) as f:
            found = json.load(f)
    base = tempfile.mkdtemp(prefix="jobmill-bench-", dir=os.environ.get("DATA"))
    try:
        for i in range(a.rounds):
            for what, settings, conns, times in cases:
                found.setdefault(what, []).append(undisturbed(base, a.seconds, settings, conns, times))
            if a.only != "open":
                floor(a.seconds / 2, found.setdefault("floor", {}))
            print("round %d of %d" % (i + 1, a.rounds), file=sys.stderr)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if a.keep:
        with open(a.keep, "w") as f:
            json.dump(found, f)
    text = tell(found) + "\n"
    print(text)
    if a.markdown:
        with open(a.markdown, "w") as f:
            f.write(text)


if __name__ == "__main__":
    main()
