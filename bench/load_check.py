#!/usr/bin/env python3
"""load_check.py - are the figures of bench/load right? Servers whose latency is known are asked by the closed and by the open loop.

    bench/load_check.py

A server that stands still for half a second must be seen in the p99 from the time when requests were due, and is hardly seen by a closed loop.
A server with one connection that takes 10 ms for each answer, asked ten times as often, tells in advance how many are never sent and how
long the others wait. Ends with 1 where a figure is outside of its bounds; on a machine that others keep busy that can be the machine.
"""
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run  # noqa: E402

STILL = 0.5
wrong = []


def must(what, value, least, most):
    good = least <= value <= most
    print("%s  %-75s %10.1f  (%g to %g)" % ("ok " if good else "BAD", what, value, least, most))
    if not good:
        wrong.append(what)


def stands_still(times):
    """A server that is stopped for a while in the middle of two seconds, asked over 8 connections."""
    floor = run.floor_http()

    def stop():
        time.sleep(0.7)
        floor.process.send_signal(signal.SIGSTOP)
        time.sleep(STILL)
        floor.process.send_signal(signal.SIGCONT)

    try:
        t = threading.Thread(target=stop)
        t.start()
        r = run.load(floor.port, 8, times, "GET", "/")
        t.join()
        return r
    finally:
        floor.stop()


def slow(times, seconds_an_answer):
    """A server that answers one after the other, and takes its time."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        c = listener.accept()[0]
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while c.recv(65536):
            time.sleep(seconds_an_answer)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        c.close()

    t = threading.Thread(target=serve)
    t.start()
    r = run.load(listener.getsockname()[1], 1, times, "GET", "/")
    t.join()
    listener.close()
    return r


def main():
    r = stands_still("2@1000")
    must("closed, stopped for 500 ms: p99 ms, which hides it", r["p99_us"] / 1000, 0, 50)
    must("closed, stopped for 500 ms: requests that were never made (of 2,000)", 2000 - r["answers"], 400, 600)
    for kind in ("open", "poisson"):
        r = stands_still("2@1000:" + kind)
        must(kind + ", stopped for 500 ms: p99 ms (480: 1 % of 2 s is the first 20 ms of the 500)", r["p99_us"] / 1000, 440, 600)
        must(kind + ", stopped for 500 ms: greatest ms", r["max_us"] / 1000, 480, 650)
        must(kind + ", stopped for 500 ms: p50 ms", r["p50_us"] / 1000, 0, 20)
        must(kind + ", stopped for 500 ms: p99 ms from when they were sent, which hides it", r["sent_p99_us"] / 1000, 0, 50)
        must(kind + ", stopped for 500 ms: requests that were due", r["due"], *((2000, 2000) if kind == "open" else (1800, 2200)))
        must(kind + ", stopped for 500 ms: not sent by the end", r["unsent"], 0, 8)
    took = 0.01
    r = slow("2@1000:open", took)
    took = 2 / r["answers"]  # sleeping takes longer than was said
    must("10 ms an answer, 1,000 a second for 2 s: answered", r["answers"], 120, 201)
    must("10 ms an answer, 1,000 a second for 2 s: due, less answered and unsent", r["due"] - r["answers"] - r["unsent"], 0, 0)
    # the k-th is due after k ms and answered after k answers: it waits for k (took - 1 ms), and the median is that of half of them
    expected = r["answers"] / 2 * (took - 0.001) * 1000
    must("10 ms an answer, 1,000 a second for 2 s: p50 ms, told in advance %.0f" % expected, r["p50_us"] / 1000, expected * 0.93, expected * 1.07)
    must("10 ms an answer, 1,000 a second for 2 s: greatest ms, told in advance %.0f" % (2 * expected), r["max_us"] / 1000, expected * 1.86, expected * 2.14)
    must("10 ms an answer, 1,000 a second for 2 s: p50 ms from when they were sent", r["sent_p50_us"] / 1000, 10, 25)
    r = slow("2@50:open", 0.01)
    must("10 ms an answer, 50 a second for 2 s: p50 ms", r["p50_us"] / 1000, 10, 20)
    must("10 ms an answer, 50 a second for 2 s: not sent by the end", r["unsent"], 0, 0)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
