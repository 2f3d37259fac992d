#!/usr/bin/env python3
"""persistent.py - what a job costs on a module, on a command kept warm, and on a plain command, side by
side in one run: one client, one job at a time, `?wait=`, the three taken in turns. Prints the median of
the whole job and of its run in the worker, per kind, and how much more than the module's.

    make && python3 bench/persistent.py [JOBS]
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
BINARY = os.path.join(HERE, "..", os.environ.get("BUILD", "build"), "jobmill")
KINDS = {"module": "echo", "persistent, Python": "warm", "persistent, Node": "node",
         "command (/bin/cat)": "plain"}
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


def start(directory):
    path = os.path.join(directory, "jobmill.ini")
    for language in ("python", "node"):
        os.symlink(os.path.join(HERE, "..", "clients", language), os.path.join(directory, language))
    with open(path, "w") as out:
        out.write(CONF)
    flags = ["--listen", "127.0.0.1:0", "--workers", "1", "--data-dir", os.path.join(directory, "data")]
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


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as directory:
        service, port = start(directory)
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
    base = statistics.median(took["module"])
    print("| kind of task | whole job p50 us | p90 us | more than the module, p50 us |")
    print("|---|---:|---:|---:|")
    for kind, us in took.items():
        p50, p90 = statistics.median(us), statistics.quantiles(us, n=10)[8]
        print("| %s | %.0f | %.0f | %.0f |" % (kind, p50, p90, p50 - base))


main()
