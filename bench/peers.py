#!/usr/bin/env python3
"""peers.py - jobmill beside its peers, in one run, in turns.

    bench/peers.py [--rounds N] [--seconds S] [--markdown FILE] [--svg FILE]

Peers, each with 2 workers that do nothing and 64 jobs in flight, as far as they are installed (`make bench-peers` installs them):
concurrent.futures.ProcessPoolExecutor and multiprocessing.Pool.map (in memory), gearmand (in memory), beanstalkd (a sync for each job),
BullMQ on Redis (appendfsync always), by itself and behind a Node HTTP front. jobmill is asked over HTTP and answers from the disk. Every job brings about
200 bytes, everywhere. Where nothing but submissions is measured nobody works them off meanwhile: no peer has a worker then, and jobmill's task is
paused (what it does while it also runs them is told, too). Client, service and workers share the machine, so ratios count and absolute figures do not; each ratio is made round by
round, and each round begins with another of them. `bench/run.py --peers` measures the floors in the same rounds.
"""
import argparse
import concurrent.futures as futures
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
GEARMAN = os.path.join(run.BUILD, "bench", "gearman")
BULLMQ = os.path.join(HERE, "peers", "bullmq.js")
PAYLOAD = "x" * 200

# what, jobmill's figure, the peer's (None: the figure itself), the goal, the median that docs/performance.md tells
RATIOS = [
    ("whole jobs / ProcessPoolExecutor, in memory", "jobmill: whole jobs", "ProcessPoolExecutor: whole jobs", 3.0, None),
    ("whole jobs / gearmand, in memory", "jobmill: whole jobs", "gearmand: whole jobs", 1.8, None),
    ("whole jobs / HTTP + BullMQ, synced", "jobmill: whole jobs", "HTTP + BullMQ: whole jobs", 9.0, None),
    ("whole jobs / BullMQ without HTTP, synced", "jobmill: whole jobs", "BullMQ: whole jobs", None, None),
    ("whole jobs / beanstalkd, synced", "jobmill: whole jobs", "beanstalkd: whole jobs", 20.0, None),
    ("submissions / HTTP + BullMQ, synced", "jobmill: submissions", "HTTP + BullMQ: submissions", 4.0, None),
    ("submissions / BullMQ without HTTP, synced", "jobmill: submissions", "BullMQ: submissions", None, None),
    ("submissions / beanstalkd put, synced", "jobmill: submissions", "beanstalkd: submissions", 6.0, None),
    ("submissions, run meanwhile / HTTP + BullMQ, not run", "jobmill: submissions, run meanwhile", "HTTP + BullMQ: submissions", None, None),
    ("submissions, run meanwhile / beanstalkd put, not run", "jobmill: submissions, run meanwhile", "beanstalkd: submissions", None, None),
    ("batches, to the end / Pool.map, in memory", "jobmill: batches, to the end", "Pool.map: whole jobs", 1.3, None),
    ("batches, accepted a second", "jobmill: batches, accepted", None, 100000, None),
]


def noop(_):
    return None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_port(port, process):
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit("%s does not listen" % process.args[0])


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# ---- the peers: each gives {figure: jobs a second}, or None where it is not installed ----

def executor(pool, seconds):
    """64 in flight. Each job that ends makes room for the next: futures.wait would look at all 64 for each."""
    room, done, begin = threading.Semaphore(64), 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        room.acquire()
        pool.submit(noop, PAYLOAD).add_done_callback(lambda _: room.release())
        done += 1
    for _ in range(64):
        room.acquire()
    return done / (time.monotonic() - begin)


def one_at_a_time(ask, seconds):
    """The median of microseconds."""
    took, begin = [], time.monotonic()
    while time.monotonic() - begin < seconds:
        t = time.perf_counter()
        ask()
        took.append(time.perf_counter() - t)
    return statistics.median(took) * 1e6


def python_pools(seconds, _):
    found = {}
    with futures.ProcessPoolExecutor(2) as pool:
        list(pool.map(noop, range(100)))
        found["ProcessPoolExecutor: whole jobs"] = executor(pool, seconds)
        found["ProcessPoolExecutor: one whole job, p50 us"] = one_at_a_time(lambda: pool.submit(noop, PAYLOAD).result(), seconds / 2)
    with multiprocessing.Pool(2) as pool:
        pool.map(noop, range(100))
        done, begin = 0, time.monotonic()
        while time.monotonic() - begin < seconds:
            pool.map(noop, [PAYLOAD] * 5000, chunksize=1)
            done += 5000
        found["Pool.map: whole jobs"] = done / (time.monotonic() - begin)
    return found


def gearmand(seconds, base):
    if not shutil.which("gearmand") or not os.path.exists(GEARMAN):
        return None
    port = free_port()
    server = subprocess.Popen(["gearmand", "-L", "127.0.0.1", "-p", str(port), "-l", base + "/gearmand.log"], stderr=subprocess.DEVNULL)
    try:
        await_port(port, server)
        return {"gearmand: whole jobs": run.run_json([GEARMAN, str(port), "64", str(seconds)])["rate"],
                "gearmand: one whole job, p50 us": run.run_json([GEARMAN, str(port), "1", str(seconds / 2)])["p50_us"]}
    finally:
        end(server)


class Beanstalk:
    """A connection of beanstalkd's protocol."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, text):
        self.socket.sendall(text)

    def line(self):
        return self.file.readline()

    def reserved(self):
        """The job's number, when one has come."""
        words = self.line().split()
        if words[0] != b"RESERVED":
            raise SystemExit("beanstalkd: %s" % words)
        self.file.read(int(words[2]) + 2)
        return int(words[1])


def beanstalk_worker(port):
    c = Beanstalk(port)
    c.send(b"watch jobs\r\nignore default\r\nuse done\r\nreserve\r\n")
    for _ in range(3):
        c.line()
    while True:
        job = c.reserved()
        c.send(b"put 0 0 60 4\r\nnull\r\ndelete %d\r\nreserve\r\n" % job)
        c.line()
        c.line()


PUT = b"put 0 0 60 200\r\n" + PAYLOAD.encode() + b"\r\n"


def beanstalk_puts(port, seconds):
    """64 connections, a put in flight on each."""
    import selectors
    chosen, done = selectors.DefaultSelector(), 0
    for _ in range(64):
        c = Beanstalk(port)
        chosen.register(c.socket, selectors.EVENT_READ, c)
        c.send(PUT)
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        for key, _ in chosen.select(1):
            key.data.line()
            key.data.send(PUT)
            done += 1
    return done / (time.monotonic() - begin)


def beanstalk_whole(port, seconds):
    """64 jobs in flight: put, run by a worker, its answer put, taken and deleted."""
    workers = [multiprocessing.Process(target=beanstalk_worker, args=(port,), daemon=True) for _ in range(2)]
    for w in workers:
        w.start()
    put, take = Beanstalk(port), Beanstalk(port)
    put.send(b"use jobs\r\n")
    put.line()
    take.send(b"watch done\r\nignore default\r\n")
    take.line()
    take.line()
    put.send(PUT * 64)
    done, begin = 0, time.monotonic()
    take.send(b"reserve\r\n")
    while time.monotonic() - begin < seconds:
        job = take.reserved()
        take.send(b"delete %d\r\nreserve\r\n" % job)
        take.line()
        put.send(PUT)
        put.line()
        done += 1
    for w in workers:
        w.kill()
        w.join()
    return done / (time.monotonic() - begin)


def beanstalkd(seconds, base):
    if not shutil.which("beanstalkd"):
        return None
    found = {}
    for name, measure in (("submissions", beanstalk_puts), ("whole jobs", beanstalk_whole)):
        data, port = tempfile.mkdtemp(dir=base), free_port()
        server = subprocess.Popen(["beanstalkd", "-l", "127.0.0.1", "-p", str(port), "-b", data, "-f", "0"])
        try:
            await_port(port, server)
            found["beanstalkd: " + name] = measure(port, seconds)
        finally:
            end(server)
            shutil.rmtree(data)
    return found


def bullmq_front(path, conns, seconds, env):
    front = subprocess.Popen(["node", BULLMQ, "serve"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = int(front.stdout.readline().strip().rsplit(":", 1)[1])
        run.load(port, 64, 1, "POST", path, run.SUBMIT)  # warm
        return run.load(port, conns, seconds, "POST", path, run.SUBMIT)
    finally:
        end(front)


def bullmq(seconds, base):
    if not shutil.which("redis-server") or not shutil.which("node") or not os.path.isdir(os.path.join(HERE, "peers", "node_modules")):
        return None
    data, port, found = tempfile.mkdtemp(dir=base), free_port(), {}
    redis = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", data, "--save", "", "--appendonly", "yes",
                              "--appendfsync", "always", "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL)
    try:
        await_port(port, redis)
        for name, workers, path in (("submissions", 0, "/jobs"), ("whole jobs", 2, "/jobs?wait=1")):
            env = dict(os.environ, REDIS=str(port), WORKERS=str(workers), SECONDS=str(seconds), BODY=run.SUBMIT)
            env["QUEUE"] = "http-%d" % workers  # what one figure leaves queued is not run in another
            found["HTTP + BullMQ: " + name] = bullmq_front(path, 64, seconds, env)["rate"]
            env["QUEUE"] = "native-%d" % workers
            found["BullMQ: " + name] = run.run_json(["node", BULLMQ, "drive"], env)["rate"]
        env["QUEUE"] = "one"
        found["HTTP + BullMQ: one whole job, p50 us"] = bullmq_front(path, 1, seconds / 2, env)["p50_us"]
    finally:
        end(redis)
        shutil.rmtree(data)
    return found


def jobmill(seconds, base):
    data = tempfile.mkdtemp(dir=base)
    service = run.jobmill(data)
    try:
        found = {"jobmill: submissions": run.queued(service.port, 64, seconds)["rate"],
                 "jobmill: submissions, run meanwhile": run.load(service.port, 64, seconds, "POST", "/v1/jobs", run.SUBMIT)["rate"]}
        run.await_empty(service.port)
        found["jobmill: whole jobs"] = run.load(service.port, 64, seconds, "POST", "/v1/jobs?wait=30", run.SUBMIT)["rate"]
        found["jobmill: one whole job, p50 us"] = run.load(service.port, 1, seconds / 2, "POST", "/v1/jobs?wait=30", run.SUBMIT)["p50_us"]
        found["jobmill: batches, accepted"], found["jobmill: batches, to the end"] = run.batches(service.port, seconds)
        return found
    finally:
        service.stop()
        shutil.rmtree(data)


CONTENDERS = [jobmill, python_pools, gearmand, beanstalkd, bullmq]


def one_round(seconds, base, i, figures):
    """Measures all of them once, the i-th first."""
    for k in range(len(CONTENDERS)):
        peer = CONTENDERS[(i + k) % len(CONTENDERS)]
        found = peer(seconds, base)
        if found is None and i == 0:
            print("%s: not installed, left out (make bench-deps)" % peer.__name__, file=sys.stderr)
        for name, value in (found or {}).items():
            figures.setdefault(name, []).append(value)


def ratios(figures):
    """As run.ratios; of peers that are not installed there are none."""
    out = []
    for what, ours, theirs, goal, published in RATIOS:
        if theirs is None or theirs in figures:
            values = [x / y for x, y in zip(figures[ours], figures[theirs])] if theirs else figures[ours]
            out.append((what, statistics.median(values), min(values), max(values), goal, True, published))
    return out


# ---- what is told ----

def number(x):
    return format(round(x), ",") if x >= 100 else "%.2f" % x


def markdown(figures, rs):
    lines = ["| jobs a second, or microseconds | median | least | greatest |", "|---|---:|---:|---:|"]
    for name, v in sorted(figures.items()):
        lines.append("| %s | %s | %s | %s |" % (name, *(number(x) for x in (statistics.median(v), min(v), max(v)))))
    lines += ["", "| ratio, round by round | median | least | greatest | goal | |", "|---|---:|---:|---:|---:|---|"]
    for what, med, lo, hi, goal, _, _ in rs:
        told = ("", "") if goal is None else ("≥ " + format(goal, ",g" if goal < 1000 else ",d"), "reached" if med >= goal else "not reached")
        lines.append("| %s | %s | %s | %s | %s | %s |" % (what, number(med), number(lo), number(hi), *told))
    return "\n".join(lines) + "\n"


def svg(figures):
    """Bars of the medians, submissions and whole jobs apart."""
    rows = sorted(((statistics.median(v), n) for n, v in figures.items() if "batches, accepted" not in n and "p50" not in n), key=lambda r: (r[1].split(": ")[1], -r[0]))
    most, high = max(r[0] for r in rows), 24
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 %d" font-family="sans-serif" font-size="13" role="img">' % (high * len(rows) + 16),
           "<title>Jobs a second, median</title>"]
    for i, (value, name) in enumerate(rows):
        y, ours = 8 + i * high, name.startswith("jobmill")
        out.append('<text x="250" y="%d" text-anchor="end" fill="#777">%s</text>' % (y + 16, name.replace("&", "&amp;")))
        out.append('<rect x="258" y="%d" width="%.1f" height="%d" fill="%s"/>' % (y + 3, 400 * value / most, high - 6, "#2563eb" if ours else "#9ca3af"))
        out.append('<text x="%.1f" y="%d" fill="#777">%s</text>' % (264 + 400 * value / most, y + 16, format(round(value), ",")))
    return "\n".join(out + ["</svg>", ""])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=2)
    p.add_argument("--markdown")
    p.add_argument("--svg")
    a = p.parse_args()
    base, figures = tempfile.mkdtemp(prefix="jobmill-peers-", dir=os.environ.get("DATA")), {}
    try:
        for i in range(a.rounds):
            one_round(a.seconds, base, i, figures)
            print("round %d of %d" % (i + 1, a.rounds), file=sys.stderr)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    text = markdown(figures, ratios(figures))
    print(text)
    for path, content in ((a.markdown, text), (a.svg, svg(figures))):
        if path:
            with open(path, "w") as f:
                f.write(content)


if __name__ == "__main__":
    sys.exit(main())
