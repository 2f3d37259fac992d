#!/usr/bin/env python3
"""kinds.py - what a job costs on a module, on a command kept warm, and on a plain command, side by
side in one run. First one client, one job at a time, `?wait=`, the kinds in turns, on one worker: the median
and the 90th percentile of the whole job, and how much more than the module's. Then batches of each kind on two
workers, in turns: jobs a second from submission to the end of the group; and how often two processes that do
nothing else start that program and read what it says.

    make bench-kinds [KINDS_ARGS=2000]
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.environ.get("JOBMILL_BIN", os.path.join(HERE, "..", os.environ.get("BUILD", "build"), "jobmill"))
FLOORS = os.path.join(HERE, "..", os.environ.get("BUILD", "build"), "bench", "floors")
KINDS = {"module": "echo", "persistent, Python": "warm", "persistent, Node": "node",
         "command (/bin/cat)": "plain"}
ROUNDS, BATCH, PLAIN_BATCH = 5, 3000, 300  # of batches, and jobs of one
BARE = "floor: /bin/cat, started and read"
CONF = """
[task warm]
command = python3 -c "import jobmill; jobmill.serve(lambda job: job.input)"
persistent = true
env.PYTHONPATH = {config_dir}/python
[task node]
command = node -e "require('{config_dir}/node/jobmill.js').serve((job) => job.input)"
persistent = true
[task plain]
command = /bin/cat
"""


def start(directory, workers):
    path = os.path.join(directory, "jobmill.ini")
    for language in ("python", "node"):
        os.symlink(os.path.join(HERE, "..", "clients", language), os.path.join(directory, language))
    with open(path, "w") as out:
        out.write(CONF)
    flags = ["--listen", "127.0.0.1:0", "--workers", str(workers), "--data-dir", os.path.join(directory, "data")]
    service = subprocess.Popen([BINARY, "serve", "--config", path] + flags, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    return service, int(service.stdout.readline().rsplit(":", 1)[1])


def job(client, task):
    body = json.dumps({"task": task, "input": {"a": 1}})
    begin = time.perf_counter()
    client.request("POST", "/v1/jobs?wait=20", body)
    got = json.loads(client.getresponse().read())
    if got["state"] != "succeeded" or got["result"] != {"a": 1}:
        sys.exit("unexpected: %s" % got)
    return (time.perf_counter() - begin) * 1e6


def batch(client, task):
    """Jobs a second, from submission to the end."""
    jobs = PLAIN_BATCH if task == "plain" else BATCH
    body = json.dumps({"jobs": [{"task": task, "input": {"a": 1}}] * jobs})
    begin = time.perf_counter()
    client.request("POST", "/v1/jobs/batch", body)
    group = json.loads(client.getresponse().read())["id"]
    client.request("GET", "/v1/groups/%s?wait=120" % group)
    got = json.loads(client.getresponse().read())
    if got["counts"].get("succeeded") != jobs:
        sys.exit("unexpected: %s" % got)
    return jobs / (time.perf_counter() - begin)


def bare():
    got = subprocess.run([FLOORS, "spawn", "/bin/cat", "2", str(PLAIN_BATCH // 2)], stdout=subprocess.PIPE, check=True)
    return json.loads(got.stdout)["rate"]


def one_by_one(rounds):
    with tempfile.TemporaryDirectory() as directory:
        service, port = start(directory, 1)
        client = http.client.HTTPConnection("127.0.0.1", port)
        took = {kind: [] for kind in KINDS}
        for kind, task in KINDS.items():
            for _ in range(20):
                job(client, task)
        for _ in range(rounds):
            for kind, task in KINDS.items():
                took[kind].append(job(client, task))
        service.terminate()
        service.wait()
    return took


def batches():
    with tempfile.TemporaryDirectory() as directory:
        service, port = start(directory, 2)
        client = http.client.HTTPConnection("127.0.0.1", port)
        rates = {kind: [] for kind in list(KINDS) + [BARE]}
        for i in range(ROUNDS + 1):
            rate = bare()
            if i:
                rates[BARE].append(rate)
            for kind, task in KINDS.items():
                rate = batch(client, task)
                if i:  # the first starts the programs
                    rates[kind].append(rate)
        service.terminate()
        service.wait()
    return rates


def main():
    took = one_by_one(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    base = statistics.median(took["module"])
    print("| kind of task | whole job p50 us | p90 us | more than the module, p50 us |")
    print("|---|---:|---:|---:|")
    for kind, us in took.items():
        p50, p90 = statistics.median(us), statistics.quantiles(us, n=10)[8]
        print("| %s | %.0f | %.0f | %.0f |" % (kind, p50, p90, p50 - base))
    print("\n| kind of task | jobs a second of a batch, median | least | greatest |")
    print("|---|---:|---:|---:|")
    rates = batches()
    for kind, of in rates.items():
        print("| %s | %.0f | %.0f | %.0f |" % (kind, statistics.median(of), min(of), max(of)))
    ratios = [job / floor for job, floor in zip(rates["command (/bin/cat)"], rates[BARE])]
    print("\ncommand / floor: %.2f (%.2f-%.2f)" % (statistics.median(ratios), min(ratios), max(ratios)))


main()
