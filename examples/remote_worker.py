#!/usr/bin/env python3
"""remote_worker.py - a worker that runs on any machine: leases jobs over HTTP, computes, answers.

    remote_worker.py [URL] [TASK…]

Python's standard library alone. Replace work() by what you want done; tell() reports progress, keeps a
checkpoint for the job's next attempt, and raises Lost when the job was cancelled or the lease was lost. What it raises fails the attempt, and
Error says how. JOBMILL_TOKEN names a token, if the service wants one.
"""
import json
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

URL = (sys.argv[1] if len(sys.argv) > 1 else 'http://127.0.0.1:8080').rstrip('/')
TASKS = sys.argv[2:]
NAME = f'{socket.gethostname()}-{os.getpid()}'
DURATION = float(os.environ.get('LEASE_DURATION', '30'))


class Lost(Exception):
    """The lease is not ours any more: drop what was computed."""


class Error(Exception):
    """Fails the attempt with a code of a-z, 0-9 and _; permanent: it would fail again, so it is not tried again."""

    def __init__(self, message, code='task_error', permanent=False):
        super().__init__(message)
        self.code, self.permanent = code, permanent


def call(path, body, timeout=60.0):
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), {'Content-Type': 'application/json'})
    if os.environ.get('JOBMILL_TOKEN'):
        request.add_header('Authorization', 'Bearer ' + os.environ['JOBMILL_TOKEN'])
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 409:
            raise Lost() from error
        raise


def work(job, tell, checkpoint):
    """The work itself: returns the result as a JSON value. checkpoint: what an attempt before told last, or None."""
    tell(0.5, 'half')
    return {'worker': NAME, 'input': job.get('input')}


def run(lease):
    path, lost = f'/v1/leases/{lease["id"]}', threading.Event()
    done = threading.Event()
    progress = {}

    def beat():
        while not done.wait(DURATION / 3):
            try:
                call(path + '/heartbeat', {'progress': dict(progress)} if progress else {})
            except Lost:
                lost.set()
                return
            except OSError:
                pass  # the next one may come through

    def tell(fraction, message='', checkpoint=None):
        progress.update(fraction=fraction, message=message)
        if lost.is_set():
            raise Lost()
        if checkpoint is not None:
            call(path + '/heartbeat', {'progress': dict(progress), 'checkpoint': checkpoint})

    threading.Thread(target=beat, daemon=True).start()
    try:
        end, body = '/complete', {'result': work(lease['job'], tell, lease.get('checkpoint'))}
    except Lost:
        return
    except Error as error:
        end, body = '/fail', {'error': {'code': error.code, 'message': str(error), 'permanent': error.permanent}}
    except Exception as error:  # whatever the work raises is the job's error
        end, body = '/fail', {'error': {'code': 'task_error', 'message': f'{type(error).__name__}: {error}'}}
    finally:
        done.set()
    for pause in (0.1, 0.5, 1, 2, 5, 0):
        try:
            call(path + end, body)
            return
        except Lost:
            return  # too late, or an earlier try came through
        except OSError:
            time.sleep(pause)


def main():
    ask = {'wait': 20, 'duration': DURATION, 'worker': NAME}
    if TASKS:
        ask['tasks'] = TASKS
    while True:
        try:
            for lease in call('/v1/leases', ask)['leases']:
                run(lease)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                sys.exit(f'refused: {error.read().decode()}')
            time.sleep(1)
        except OSError as error:
            print('waiting for the service:', error, file=sys.stderr)
            time.sleep(1)


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        pass
