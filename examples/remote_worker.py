#!/usr/bin/env python3
"""remote_worker.py - a worker that runs on any machine: leases jobs over HTTP, computes, answers.

    remote_worker.py [URL] [TASK…]

Python's standard library alone. Replace work() by what you want done; tell() reports progress, keeps a
checkpoint for the job's next attempt, and raises Lost when the job was cancelled or the lease was lost. What it raises fails the attempt, and
Error says how. A result of bytes is sent as they are, with TYPE as their content type. JOBMILL_TOKEN is a token with the scope `work`, if the
service wants one.
"""
import contextlib
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
PATIENCE = 600  # seconds to try to deliver a result
TYPE = 'application/octet-stream'


class Lost(Exception):
    """The lease is not ours any more: drop what was computed."""


class Error(Exception):
    """Fails the attempt with a code of a-z, 0-9 and _; permanent: it would fail again, so it is not tried again."""

    def __init__(self, message, code='task_error', permanent=False):
        super().__init__(message)
        self.code, self.permanent = code, permanent


def ask(path, body=None, kind='application/json', timeout=60.0):
    """GET, or with a body POST; the answer's bytes."""
    request = urllib.request.Request(URL + path, body, {'Content-Type': kind} if body is not None else {})
    if os.environ.get('JOBMILL_TOKEN'):
        request.add_header('Authorization', 'Bearer ' + os.environ['JOBMILL_TOKEN'])
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        if error.code == 409:
            raise Lost() from error
        raise


def call(path, body):
    return json.loads(ask(path, json.dumps(body, allow_nan=False).encode()))


def work(job, tell, checkpoint):
    """The work itself: returns the result, a JSON value or bytes. job['input'] is a JSON value, or the bytes of
    job['input_type']. checkpoint: what an attempt before told last, or None."""
    tell(0.5, 'half')
    given = job.get('input')
    return {'worker': NAME, 'input': len(given) if isinstance(given, bytes) else given}


def fetch_input(job, path):
    """What is large or not JSON does not stand in the job."""
    if 'input' in job or not job.get('input_size'):
        return
    data, kind = ask(path + '/input'), job.get('input_type', 'application/json').split(';')[0].strip()
    job['input'] = json.loads(data) if kind == 'application/json' or kind.endswith('+json') else data


def outcome(lease, path, tell):
    """How the attempt ends: {'result'} or {'error'}; or bytes, which are a result of TYPE."""
    try:
        fetch_input(lease['job'], path)
        result = work(lease['job'], tell, lease.get('checkpoint'))
        if isinstance(result, bytes):
            return result
        json.dumps(result, allow_nan=False)
        return {'result': result}
    except Lost:
        raise
    except Error as error:
        failure = {'code': error.code, 'message': str(error), 'permanent': error.permanent}
    except Exception as error:  # whatever the work raises, or returns that is no JSON, is the job's error
        failure = {'code': 'task_error', 'message': f'{type(error).__name__}: {error}'}
    return {'error': failure}


def deliver(lease, end):
    """Says how the attempt ended, by itself, and again while the service does not answer: a lease outlasts its restart."""
    give_up, pause = time.monotonic() + PATIENCE, 0.1
    while time.monotonic() < give_up:
        pause = min(2 * pause, 5)
        path = f'/v1/leases/{lease}' + ('/complete' if isinstance(end, bytes) or 'result' in end else '/fail')
        try:
            if isinstance(end, bytes):
                ask(path, end, TYPE)
            else:
                call(path, end)
            return
        except Lost:
            return  # too late, or an earlier try came through
        except urllib.error.HTTPError as error:
            if error.code in (408, 429) or error.code >= 500:
                time.sleep(pause)
                continue
            if path.endswith('/fail'):
                return  # the lease will expire
            why = error.read().decode(errors='replace')[:500]
            end = {'error': {'code': 'bad_result', 'message': why, 'permanent': True}}
        except OSError:
            time.sleep(pause)


def run(lease):
    """Does it. How it ended, for the next request; none if that was told, or the lease is lost."""
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
        progress.update(fraction=min(max(float(fraction), 0.0), 1.0), message=str(message))
        if lost.is_set():
            raise Lost()
        if checkpoint is not None:
            try:
                call(path + '/heartbeat', {'progress': dict(progress), 'checkpoint': checkpoint})
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise  # it is too large
            except OSError:
                pass  # the service is away: the next one may come through

    threading.Thread(target=beat, daemon=True).start()
    try:
        end = outcome(lease, path, tell)
    except Lost:
        return []
    finally:
        done.set()
    if not isinstance(end, bytes):
        return [dict(end, id=lease['id'])]
    deliver(lease['id'], end)
    return []


def main():
    wish, ended = {'wait': 20, 'duration': DURATION, 'worker': NAME}, []
    if TASKS:
        wish['tasks'] = TASKS
    while True:
        try:
            leases = call('/v1/leases', dict(wish, ended=ended))['leases']
            ended = []
            for lease in leases:
                ended += run(lease)
        except urllib.error.HTTPError as error:
            if error.code in (408, 429) or error.code >= 500:
                time.sleep(1)
                continue
            if not ended:
                sys.exit(f'refused: {error.read().decode()}')
            for end in ended:  # one of them may be what is refused
                deliver(end.pop('id'), end)
            ended = []
        except OSError as error:
            print('waiting for the service:', error, file=sys.stderr)
            time.sleep(1)
        except KeyboardInterrupt:
            if ended:
                with contextlib.suppress(OSError):  # else the leases expire
                    call('/v1/leases', {'ended': ended, 'max': 0})
            raise


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        pass
