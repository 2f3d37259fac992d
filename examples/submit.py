#!/usr/bin/env python3
"""submit.py - submits a job and waits for its result, with Python's standard library alone.

    submit.py [TASK [INPUT]]          submit.py primes '{"limit":1000}'

JOBMILL_SERVER is where the service is, JOBMILL_TOKEN its token, if it wants one.
"""
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

SERVER = os.environ.get('JOBMILL_SERVER', 'http://127.0.0.1:8080').rstrip('/')
ENDED = ('succeeded', 'failed', 'cancelled', 'expired')
TRIES = 6


class Refused(Exception):
    """The service's answer is final; the text is its problem document."""


def ask(path, body=None, headers=None):
    """GET, or with a body POST; the answer's bytes. Asks again where no answer, or 5xx, leaves it open whether the
    request was carried out, and where 429 says that it came too soon."""
    headers = dict(headers or {})
    if os.environ.get('JOBMILL_TOKEN'):
        headers['Authorization'] = 'Bearer ' + os.environ['JOBMILL_TOKEN']
    for tried in range(1, TRIES + 1):
        pause = 0.25 * 2 ** tried
        try:
            with urllib.request.urlopen(urllib.request.Request(SERVER + path, body, headers), timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if tried == TRIES or (error.code < 500 and error.code != 429):
                raise Refused(error.read().decode(errors='replace')) from error
            pause = float(error.headers.get('Retry-After', pause))
        except (OSError, http.client.HTTPException):  # not reached, or cut off
            if tried == TRIES:
                raise
        time.sleep(pause)


def run(task, given):
    """The job's result: a JSON value, or bytes where it is of another type."""
    # one key for all tries: however often it is asked, there is one job
    headers = {'Content-Type': 'application/json', 'Idempotency-Key': str(uuid.uuid4())}
    job = json.loads(ask('/v1/jobs?wait=20', json.dumps({'task': task, 'input': given}).encode(), headers))
    while job['state'] not in ENDED:
        job = json.loads(ask(f'/v1/jobs/{job["id"]}?wait=20'))
    if job['state'] != 'succeeded':
        raise Refused(f'{job["state"]}: {json.dumps(job.get("error"))}')
    if 'result' in job:
        return job['result']
    data = ask(f'/v1/jobs/{job["id"]}/result')  # large, or not JSON
    return json.loads(data) if job['result_type'] == 'application/json' else data


if __name__ == '__main__':
    try:
        result = run(sys.argv[1] if len(sys.argv) > 1 else 'primes', json.loads(sys.argv[2] if len(sys.argv) > 2 else '{"limit":1000}'))
    except Refused as refusal:
        sys.exit(str(refusal))
    if isinstance(result, bytes):
        sys.stdout.buffer.write(result)
    else:
        print(json.dumps(result))
