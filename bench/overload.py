#!/usr/bin/env python3
"""overload.py - more load than the service can carry: what is taken, what is refused, and how long the taken takes.

    bench/overload.py [--rounds N] [--seconds S] [--markdown FILE]

The base is 64 connections, which keep it busy. Ten and a hundred times as many, each with one request in flight, must wait for their turn: the
rate must hold, and the latency may grow as the queue does and no more. Then a service that takes 64 changes at a time (max_pending_changes)
refuses what is more with 503; those who are refused ask again at once, which nobody should: Retry-After says one second. Load and service share the machine.
"""
import argparse
import os
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run  # noqa: E402

CASES = [  # what, connections, settings
    ("64 connections", 64, ()),
    ("640 connections", 640, ()),
    ("6,400 connections", 6400, ()),
    ("640 connections, 64 changes at a time", 640, ("--max-pending-changes", "64")),
]


def one(base, seconds, conns, settings):
    data = tempfile.mkdtemp(dir=base)
    service = run.jobmill(data, extra=settings)
    try:
        run.load(service.port, 64, 0.5, "POST", "/v1/jobs?wait=60", run.SUBMIT)
        before = run.call(service.port, "GET", "/v1/stats")[1]["jobs"]["succeeded"]
        r = run.load(service.port, conns, seconds, "POST", "/v1/jobs?wait=60", run.SUBMIT)
        kept = run.call(service.port, "GET", "/v1/stats")[1]["jobs"]
        if kept["succeeded"] - before < r["answers"] - r["bad"] or kept["failed"]:
            raise SystemExit("answered %d, kept %s, of which %d before" % (r["answers"] - r["bad"], kept, before))
        share = 1 - r["bad"] / r["answers"]
        return {"taken": r["rate"] * share, "refused": r["rate"] * (1 - share), "p50": r["p50_us"] / 1000, "p99": r["p99_us"] / 1000,
                "memory": run.memory_kib(service.process.pid) / 1024}
    finally:
        service.stop()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--markdown")
    a = p.parse_args()
    found = {what: [] for what, _, _ in CASES}
    base = tempfile.mkdtemp(prefix="jobmill-bench-", dir=os.environ.get("DATA"))
    try:
        for i in range(a.rounds):
            for what, conns, settings in CASES:
                found[what].append(one(base, a.seconds, conns, settings))
            print("round %d of %d" % (i + 1, a.rounds), file=sys.stderr)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    lines = ["| whole jobs | taken /s | of the base | refused /s | p50 ms | p99 ms | memory MiB |", "|---|---:|---:|---:|---:|---:|---:|"]
    for what, rounds in found.items():
        m = {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
        share = statistics.median(r["taken"] / b["taken"] for r, b in zip(rounds, found[CASES[0][0]]))
        lines.append("| %s | %.0f | %.2f | %.0f | %.1f | %.1f | %.0f |" % (what, m["taken"], share, m["refused"], m["p50"], m["p99"], m["memory"]))
    text = "\n".join(lines) + "\n"
    print(text)
    if a.markdown:
        with open(a.markdown, "w") as f:
            f.write(text)


if __name__ == "__main__":
    main()
