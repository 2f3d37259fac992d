"""jobmill.py - a task of jobmill in Python, kept warm between jobs. Standard library only.

    import jobmill

    @jobmill.task
    def greet(job):
        job.progress(0.5, "half way")
        return {"hello": job.input["name"]}

and in the configuration:

    [task greet]
    command = /usr/bin/python3 /srv/greet.py
    persistent = true

The function is called for each job, one at a time, and what it returns is the job's result, as JSON.
An exception fails the attempt; jobmill.Error says how. What it prints is the job's log.
See README.md beside this file, and docs/tasks.md for the protocol.

SPDX-License-Identifier: MIT
"""

import json
import os
import re
import signal
import sys
import traceback

__all__ = ["Cancelled", "Error", "File", "Job", "serve", "task"]

JOB_FD = 3
ANSWER_FD = 4


class Error(Exception):
    """Fails the job's attempt.

    message     what went wrong, for a human
    code        for a program: a-z, 0-9 and _, at most 63 characters
    permanent   True: it would fail again, so it is not tried again
    """

    def __init__(self, message, code="task_error", permanent=False):
        super().__init__(message)
        self.code = code
        self.permanent = permanent


class Cancelled(BaseException):
    """Raised in the function when its job was cancelled or took too long: clean up and let it pass.

    Not an Exception, so that `except Exception` does not swallow it. The program ends after it, and
    is killed when it has not done so within kill_grace.
    """


class File:
    """A result that is a file in the working directory. type: its content type, e.g. image/png;
    None: as the task's setting `result` says."""

    def __init__(self, name, type=None):
        self.name = name
        self.type = type


_ZERO = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _words(text):
    """What a human is told, whatever its characters: as of a file whose name is not UTF-8."""
    return str(text).encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


class Job:
    """One job. id, task, attempt (1 for the first), input (from JSON; None for bytes of another type)."""

    def __init__(self, given, send):
        self.id = given["id"]
        self.task = given["task"]
        self.attempt = given["attempt"]
        self.traceparent = given.get("traceparent")  # of the submission (W3C Trace Context), or None
        self.checkpoint = given.get("checkpoint")  # what an attempt before this one left, or None
        self.input = given.get("input")
        self.input_file = given.get("input_file")  # path of the bytes, where they are not JSON
        self.input_type = given.get("input_type", "application/json")
        self._send = send

    def progress(self, fraction=None, message=None):
        """Tells those who poll: a fraction of 0..1 and a short text, either may be left out."""
        told = {}
        if fraction is not None:
            told["fraction"] = fraction
        if message is not None:
            told["message"] = _words(message)
        self._send({"progress": told})

    def leave(self, checkpoint):
        """Leaves a small JSON value (64 KiB) for the job's next attempt, should there be one; the last
        one stands."""
        self._send({"checkpoint": checkpoint})

    def bytes(self):
        """The input as bytes, where it is not JSON."""
        with open(self.input_file, "rb") as file:
            return file.read()


class _Channel:
    """The two descriptors, out of the way of what the function starts or prints."""

    def __init__(self):
        try:
            jobs, answers = os.dup(JOB_FD), os.dup(ANSWER_FD)
        except OSError:
            sys.exit("jobmill.py: this program is started by jobmill, with persistent = true")
        os.close(JOB_FD)
        os.close(ANSWER_FD)
        self.jobs = os.fdopen(jobs, "rb")
        self.answers = answers

    def send(self, message):
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if _ZERO.search(text):
            raise ValueError("a character \\0")
        line = memoryview(text.encode() + b"\n")  # lone surrogates: UnicodeEncodeError, a ValueError
        while line:
            line = line[os.write(self.answers, line) :]


def _line_by_line(stream):
    """What is printed is log: by whole lines, and whatever its characters."""
    try:
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    except (AttributeError, ValueError):
        pass  # it is no longer Python's own stream


def _error_of(exc):
    if isinstance(exc, Error):
        return {"code": exc.code, "message": _words(exc), "permanent": bool(exc.permanent)}
    traceback.print_exc()
    return {"code": "task_error", "message": _words(f"{type(exc).__name__}: {exc}"), "permanent": False}


def _answer(function, job):
    try:
        value = function(job)
    except Exception as exc:  # the function's own: it is the job's outcome
        return {"error": _error_of(exc)}
    if isinstance(value, File):
        answer = {"result_file": value.name}
        if value.type:
            answer["type"] = value.type
        return answer
    return {"result": value}


def _run(function, given, channel):
    job = Job(given, channel.send)
    answer = _answer(function, job)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    answer["id"] = job.id
    try:
        channel.send(answer)
    except (TypeError, ValueError, RecursionError) as exc:  # not sent yet: it cannot be written as JSON
        message = f"the result cannot be written as JSON: {exc}"
        error = {"code": "bad_result", "message": message, "permanent": True}
        channel.send({"error": error, "id": job.id})


def serve(function, ready=None):
    """Runs function(job) for each job until there are no more; does not return before.

    ready   called once before the first job, to load what takes long; the program counts as ready
            when it has returned
    """
    running = False

    def stop(signum, frame):
        if running:
            raise Cancelled
        sys.exit(0)

    channel = _Channel()
    _line_by_line(sys.stdout)
    _line_by_line(sys.stderr)
    signal.signal(signal.SIGTERM, stop)
    if ready:
        ready()
    channel.send({"ready": True})
    for line in channel.jobs:
        given = json.loads(line)["job"]
        running = True
        try:
            _run(function, given, channel)
        except Cancelled:
            sys.exit(1)
        running = False


def task(function):
    """A decorator: the program serves this function, when it is the program and not imported."""
    if function.__module__ == "__main__":
        serve(function)
    return function
