#!/usr/bin/env python3
"""leases.py - what a job costs that a remote worker does: with two requests, to take it and to end it, and with one, which ends
the last one and takes the next. Workers that do nothing, in turns in one run: jobs a second, and the service's CPU time a job.

    make bench-leases [LEASES_ARGS=ROUNDS]
"""

import http.client
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import profile  # noqa: E402
import run  # noqa: E402


def call(client, path, body):
    client.request("POST", path, json.dumps(body))
    answer = client.getresponse()
    text = answer.read()
    if answer.status >= 400:
        sys.exit("refused: %s" % text.decode())
    return json.loads(text)


def two_requests(port, jobs, most):
    client, done = http.client.HTTPConnection("127.0.0.1", port), 0
    while done < jobs:
        for lease in call(client, "/v1/leases", {"wait": 1, "max": most})["leases"]:
            call(client, "/v1/leases/%s/complete" % lease["id"], {"result": 1})
            done += 1


def one_request(port, jobs, most):
    client, done, ended = http.client.HTTPConnection("127.0.0.1", port), 0, []
    while done < jobs:
        leases = call(client, "/v1/leases", {"wait": 1, "max": most, "ended": ended})["leases"]
        ended = [{"id": lease["id"], "result": 1} for lease in leases]
        done += len(leases)
    call(client, "/v1/leases", {"max": 0, "ended": ended})


CASES = [  # what, workers, jobs of each, jobs at a time
    ("two requests a job", two_requests, 1, 500, 1), ("one request a job", one_request, 1, 500, 1),
    ("two requests a job", two_requests, 8, 300, 1), ("one request a job", one_request, 8, 300, 1),
    ("a request for 100, one for each end", two_requests, 1, 500, 100),
    ("a request for 100 and the last 100 ends", one_request, 1, 5000, 100)]


def turn(service, case):
    _, how, workers, jobs, most = case
    run.submit_batch(service.port, jobs * workers, {"task": "far"})
    used, begin = profile.cpu_ns(service.process.pid), time.perf_counter()
    those = [multiprocessing.Process(target=how, args=(service.port, jobs, most)) for _ in range(workers)]
    for worker in those:
        worker.start()
    for worker in those:
        worker.join()
    took = time.perf_counter() - begin
    used = profile.cpu_ns(service.process.pid) - used
    return jobs * workers / took, sum(used.values()) / 1e3 / (jobs * workers)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "jobmill.ini")
        with open(path, "w") as out:
            out.write("[task far]\nkind = remote\n")
        service = run.jobmill(os.path.join(directory, "data"), extra=("--config", path))
        got = [[] for _ in CASES]
        for _ in range(rounds):
            for i, case in enumerate(CASES):
                got[i].append(turn(service, case))
        service.stop()
    print("| | remote workers | jobs a second, median | least and greatest | CPU a job, us |")
    print("|---|---:|---:|---:|---:|")
    for case, of in zip(CASES, got):
        rates = [rate for rate, _ in of]
        print("| %s | %d | %s | %s–%s | %.0f |" % (case[0], case[2], f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f}",
                                                 f"{max(rates):,.0f}", statistics.median(us for _, us in of)))


if __name__ == "__main__":
    main()
