"""warm.py - a program kept warm that does what a test asks for: {"do": …}."""

import os
import signal
import subprocess
import sys
import time

import jobmill


def crash(job):
    if job.attempt <= job.input.get("attempts", 1000):
        os.kill(os.getpid(), signal.SIGKILL)


def hang(job):
    """Deaf, with a child of its own session; tells the child's pid."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["setsid", "sleep", "600"], stdout=subprocess.DEVNULL)
    job.progress(message=child.pid)
    time.sleep(600)


def polite(job):
    job.progress(0.5, os.getpid())
    try:
        time.sleep(600)
    finally:
        print("cleaned up")


def leave(job):
    """Leaves an orphan behind."""
    text = subprocess.run(
        ["sh", "-c", "setsid sleep 600 >&- 2>&- & echo $!"], stdout=subprocess.PIPE
    ).stdout
    return int(text)


def raw(text):
    """Says something on the answers' descriptor that the client would not."""
    fd = max(int(n) for n in os.listdir("/proc/self/fd") if leads_to_answers(int(n)))
    os.write(fd, text.encode())


def leads_to_answers(fd):
    try:
        return os.stat(fd).st_ino == ANSWERS
    except OSError:
        return False


def fail(job):
    raise jobmill.Error("too hot", code="too_hot", permanent=job.input["permanent"])


def bad_words(job):
    """As of a file whose name is not UTF-8."""
    job.progress(message="a\udcff\0b")
    raise jobmill.Error("no file a\udcff\0b", permanent=True)


def nested():
    """More than json.dumps can follow."""
    all = []
    for _ in range(100000):
        all = [all]
    return all


def image(job):
    with open("out.bin", "wb") as out:
        out.write(bytes(reversed(job.bytes())))
    return jobmill.File("out.bin", "application/x-back")


def noise(job):
    print("a line without an end", end="")
    print("Gr\u00fc\udcffe", file=sys.stderr)
    os.write(1, b"bytes \xff of C\n")
    return "quiet"


def grow(job):
    global fat
    fat = bytearray(64 << 20)
    return os.getpid()


def resume(job):
    """Leaves something too large for a ring, and dies; the next attempt tells what it was given."""
    if job.checkpoint:
        return job.checkpoint
    job.leave({"at": 1})
    job.leave({"at": 2, "text": "x" * 30000})
    os.kill(os.getpid(), signal.SIGKILL)


def most(job):
    """Leaves all that it may, and fails; the next attempt tells how much it was given."""
    if job.checkpoint:
        return len(job.checkpoint) + 2
    job.leave("x" * 65534)
    raise jobmill.Error("the next attempt goes on")


DO = {
    "most": most,
    "resume": resume,
    "pid": lambda job: os.getpid(),
    "echo": lambda job: [job.input["n"], os.getpid(), job.attempt],
    "crash": crash,
    "exit": lambda job: sys.exit(3),
    "hang": hang,
    "polite": polite,
    "leave": leave,
    "fail": fail,
    "divide": lambda job: 1 / 0,
    "nan": lambda job: float("nan"),
    "lone": lambda job: ["a\ud800b"],
    "zero": lambda job: {"a": "\\\0"},
    "bad_words": bad_words,
    "nested": lambda job: nested(),
    "noise": noise,
    "grow": grow,
    "huge": lambda job: "x" * job.input["size"],
    "length": lambda job: len(job.input["text"]),
    "garbage": lambda job: raw("this is no JSON\n"),
    "list": lambda job: raw("[1]\n"),
    "again": lambda job: raw('{"ready":true}\n'),
    "other": lambda job: raw('{"result":1,"id":"0193588a-0000-7000-8000-000000000000"}\n'),
    "trace": lambda job: job.traceparent or "none",
    "twice": lambda job: raw('{"result":1}\n'),
    "flood": lambda job: raw("x" * (6 << 20)),
}


def run(job):
    if job.input is None or "do" not in job.input:
        return image(job)
    crash_first = DO[job.input["do"]](job)
    return crash_first if crash_first is not None else os.getpid()


def load():
    """`unready`: not before a file is there."""
    flag = os.environ.get("WAITS_FOR")
    if flag and not os.path.exists(flag):
        sys.exit("no model here")


ANSWERS = os.fstat(4).st_ino
jobmill.serve(run, ready=load)
print("no more jobs")
