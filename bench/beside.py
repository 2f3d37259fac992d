#!/usr/bin/env python3
"""beside.py - how long polls and jobs take beside clients that ask for what takes long.

    bench/beside.py [--rounds N] [--clients N] [--jobs N] [--seconds S] [--markdown FILE] [-- FLAG…]

A service that keeps JOBS ended jobs is polled over 16 connections, and asked for whole jobs of `noop` over 16 (submissions, beside
batches: their jobs come first); alone, and beside CLIENTS that ask without a pause for pages of 1,000 jobs, for a text that is in none
of them, and that submit batches of 500. Flags go to the service, `--http-threads 1` say. JOBMILL_BIN names another binary to compare with.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run  # noqa: E402

CONNECTIONS = "16"
BATCH = run.batch_of(500)
BESIDE = (("alone", None), ("pages of 1,000", ("GET", "/v1/jobs?limit=1000")), ("searches", ("GET", "/v1/jobs?text=in+none+of+them")),
          ("batches of 500", ("POST", "/v1/jobs/batch", BATCH)))


def fill(port, jobs):
    for _ in range(jobs // 500):
        group = run.call(port, "POST", "/v1/jobs/batch?wait=60", BATCH)[1]
        if not group.get("done"):
            raise SystemExit("a batch did not end: %s" % group)


def one_round(args, figures):
    data = tempfile.mkdtemp(prefix="jobmill-beside-")
    service = run.jobmill(data + "/data", extra=args.flags)
    try:
        fill(service.port, args.jobs)
        job = run.call(service.port, "POST", "/v1/jobs?wait=60", run.SUBMIT)[1]["id"]
        for name, what in BESIDE:
            submit = "/v1/jobs" if name.startswith("batches") else "/v1/jobs?wait=60"
            beside = what and subprocess.Popen([run.LOAD, str(service.port), str(args.clients), str(2 * args.seconds + 0.5), *what],
                                               stdout=subprocess.PIPE, text=True)
            told = [run.load(service.port, CONNECTIONS, args.seconds, *w)
                    for w in (("GET", "/v1/jobs/" + job), ("POST", submit, run.SUBMIT))]
            rate = json.loads(beside.communicate()[0])["rate"] if beside else 0
            row = [t[key] for t in told for key in ("rate", "p50_us", "p99_us")] + [rate]
            figures.setdefault(name, []).append(row)
            run.await_empty(service.port)
    finally:
        service.stop()
        shutil.rmtree(data, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=20000)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--markdown")
    parser.add_argument("flags", nargs="*")
    args = parser.parse_args()
    figures = {}
    for _ in range(args.rounds):
        one_round(args, figures)
    lines = ["| beside %d clients: | polls /s | p50, p99 ms | jobs /s | p50, p99 ms | of theirs /s |" % args.clients, "|---|---:|---:|---:|---:|---:|"]
    for name, rows in figures.items():
        m = [statistics.median(column) for column in zip(*rows)]
        lines.append("| %s | %s | %.2f, %.2f | %s | %.2f, %.2f | %s |" % (
            name, format(round(m[0]), ","), m[1] / 1000, m[2] / 1000, format(round(m[3]), ","), m[4] / 1000, m[5] / 1000,
            format(round(m[6]), ",") if m[6] else ""))
    print("\n".join(lines))
    if args.markdown:
        with open(args.markdown, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
