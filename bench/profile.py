#!/usr/bin/env python3
"""profile.py - where the CPU time of a request goes: microseconds a request by thread, and system calls a request.

    bench/profile.py [--seconds S] [--conns N] [--rounds N] [--calls] [--perf] [WHAT]...

WHAT: submit, whole, poll, poll304 (all of them if none is named). CPU time by thread comes from /proc/PID/task/TID/schedstat,
so it says what a request costs, whoever else uses the machine. --calls counts system calls with strace (the rates of that run
mean nothing), --perf records with perf and prints the functions above 1 %.
"""
import argparse
import collections
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run  # noqa: E402


def descendants(pid):
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        try:
            for t in os.listdir("/proc/%d/task" % p):
                with open("/proc/%d/task/%s/children" % (p, t)) as f:
                    todo += [int(x) for x in f.read().split()]
            found.append(p)
        except OSError:
            pass
    return found


def cpu_ns(root):
    """CPU nanoseconds so far, by name of thread."""
    total = collections.Counter()
    for p in descendants(root):
        for t in os.listdir("/proc/%d/task" % p):
            try:
                with open("/proc/%d/task/%s/comm" % (p, t)) as f:
                    name = f.read().strip()
                with open("/proc/%d/task/%s/schedstat" % (p, t)) as f:
                    total[re.sub(r"[-: ]?\d+$", "", name)] += int(f.read().split()[0])
            except OSError:
                pass
    return total


def request_of(port, what):
    if what in ("submit", "whole"):
        return ("POST", "/v1/jobs" + ("?wait=30" if what == "whole" else ""), run.SUBMIT)
    status, job = run.call(port, "POST", "/v1/jobs?wait=10", run.SUBMIT)
    path = "/v1/jobs/" + job["id"]
    if what == "poll":
        return ("GET", path)
    import http.client
    c = http.client.HTTPConnection("127.0.0.1", port)
    c.request("GET", path)
    tag = c.getresponse().getheader("ETag")
    c.close()
    return ("GET", path, "", "If-None-Match: " + tag)


def measure(service, what, conns, seconds):
    request = request_of(service.port, what)
    before = cpu_ns(service.process.pid)
    r = run.load(service.port, conns, seconds, *request)
    if what == "submit":
        run.await_empty(service.port)
    after = cpu_ns(service.process.pid)
    return r, {k: (after[k] - before[k]) / 1000 / r["answers"] for k in after if after[k] > before[k]}


def calls(service, what, conns, seconds):
    out = tempfile.NamedTemporaryFile()
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", out.name, "-p", str(service.process.pid)], stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()
    r = run.load(service.port, conns, seconds, *request_of(service.port, what))
    tracer.send_signal(2)
    tracer.communicate(timeout=30)
    rows = []
    with open(out.name) as f:
        for line in f:
            m = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if m and m.group(2) != "total":
                rows.append((int(m.group(1)) / r["answers"], m.group(2)))
    return sorted(rows, reverse=True)


def perf(service, what, conns, seconds):
    data = tempfile.mktemp()
    pids = ",".join(str(p) for p in descendants(service.process.pid))
    p = subprocess.Popen(["perf", "record", "-q", "-F", "2000", "-o", data, "-p", pids], stderr=subprocess.DEVNULL)
    run.load(service.port, conns, seconds, *request_of(service.port, what))
    p.send_signal(2)
    p.wait(timeout=60)
    text = subprocess.run(["perf", "report", "-i", data, "--stdio", "--sort", "comm,dso,symbol", "--percent-limit", "0.6"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120).stdout
    os.unlink(data)
    return "\n".join(l for l in text.splitlines() if l and not l.startswith("#"))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--conns", type=int, default=64)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--calls", action="store_true")
    p.add_argument("--perf", action="store_true")
    p.add_argument("what", nargs="*", default=[])
    a = p.parse_args()
    base = tempfile.mkdtemp(prefix="jobmill-profile-", dir=os.environ.get("DATA"))
    service = run.jobmill(os.path.join(base, "data"))
    try:
        for what in a.what or ["submit", "whole", "poll", "poll304"]:
            rounds = [measure(service, what, a.conns, a.seconds) for _ in range(a.rounds)]
            names = sorted({k for _, c in rounds for k in c}, key=lambda k: -statistics.median(c.get(k, 0) for _, c in rounds))
            total = statistics.median(sum(c.values()) for _, c in rounds)
            print("%s, %d connections: %.0f/s, p50 %.0f us; CPU us a request: %.1f in all" % (
                what, a.conns, statistics.median(r["rate"] for r, _ in rounds), statistics.median(r["p50_us"] for r, _ in rounds), total))
            for k in names:
                v = statistics.median(c.get(k, 0) for _, c in rounds)
                if v >= 0.05:
                    print("    %-20s %6.1f" % (k, v))
            if a.calls:
                print("  system calls a request: " + ", ".join("%s %.2f" % (n, c) for c, n in calls(service, what, a.conns, 1) if c >= 0.005))
            if a.perf:
                print(perf(service, what, a.conns, a.seconds))
            sys.stdout.flush()
    finally:
        service.stop()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
