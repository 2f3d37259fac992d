#!/usr/bin/env python3
"""races.py JOBMILL [--races N] [--seed S] - N requests with Idempotency-Keys that are asked again and again, and N cancels that race with the
end of their jobs, by several clients at once, while the service is killed (SIGKILL) and started again.

Of keys: each key names one job (or group) and one only, whoever asks first, for whatever kills come between; the same key with another
body is refused. Of cancels: each job has one end; what was acknowledged as cancelled never succeeds; an end that somebody was told
stays. At last a walk through all pages finds each job once, none besides, and the counters equal a recount.
"""
import argparse
import collections
import http.client
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

FINAL = ('succeeded', 'failed', 'cancelled', 'expired')
CLIENTS = 4


class Service:
    def __init__(self, binary):
        self.binary, self.dir = os.path.abspath(binary), tempfile.mkdtemp(prefix='jobmill-races-')
        self.port = multiprocessing.Value('i', 0)
        self.kills = 0
        self.start()

    def start(self):
        with open(f'{self.dir}/log', 'ab') as log:
            self.process = subprocess.Popen([self.binary, 'serve', '--listen', '127.0.0.1:0', '--data-dir', f'{self.dir}/data', '--workers', '2', '--kill-grace', '0.02',
                                             '--max-attempts', '1000', '--keep-for', '0'], stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline().decode()
        if 'listening' not in line:
            sys.exit(f'races: the service did not start; see {self.dir}/log')
        self.port.value = int(line.rsplit(':', 1)[1])

    def end(self, sig):
        self.process.send_signal(sig)
        self.process.wait(60)
        self.process.stdout.close()

    def killed_while(self, clients, every, rng):
        """Kills and starts again until all clients are done."""
        for c in clients:
            c.start()
        while alive := [c for c in clients if c.is_alive()]:
            alive[0].join(rng.uniform(0.1, every))
            if alive[0].is_alive():
                self.end(signal.SIGKILL)
                self.kills += 1
                self.start()


class Client:
    """Asks until there is an answer: what a client does that was not told what became of its request."""

    def __init__(self, port):
        self.port, self.connection, self.repeated = port, None, 0

    def ask(self, method, path, body=None, headers=None):
        until = time.monotonic() + 60
        while True:
            try:
                if not self.connection:
                    self.connection = http.client.HTTPConnection('127.0.0.1', self.port.value, timeout=60)
                self.connection.request(method, path, body, headers or {})
                answer = self.connection.getresponse()
                data = answer.read()
                if answer.status < 500:
                    return answer.status, json.loads(data) if data else None, answer.headers
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                time.sleep(0.002)
            self.repeated += 1
            if time.monotonic() > until:
                raise TimeoutError(f'{method} {path}: no answer within a minute')


# ---- keys ----

def request_of(key, other):
    """What is asked for with a key; `other`: something else."""
    value = f'{key}-{"b" if other else "a"}'
    kind = key % 3
    if kind == 0:
        return '/v1/jobs', json.dumps({'task': 'echo', 'input': value}), {}
    if kind == 1:
        return '/v1/jobs/batch', json.dumps({'jobs': [{'task': 'echo', 'input': value}]}), {}
    return '/v1/tasks/echo/jobs', json.dumps(value), {'Content-Type': 'application/json'}


def ask_keys(port, seed, count, keys, out):
    rng, client = random.Random(seed), Client(port)
    seen, replayed, refused = {}, 0, 0
    try:
        for _ in range(count):
            key, other = rng.randrange(keys), rng.random() < 0.1
            path, body, headers = request_of(key, other)
            status, answer, got = client.ask('POST', path, body, {'Idempotency-Key': f'key-{key}', **headers})
            if status == 422:
                refused += 1
                seen.setdefault(key, set()).add(('refused', other))
            elif status == 202:
                replayed += got.get('Idempotency-Replayed') == 'true'
                seen.setdefault(key, set()).add((answer['id'], other))
            else:
                raise ValueError(f'{path}: {status} {answer}')
        out.put((seen, replayed, refused, client.repeated, None))
    except Exception as error:  # told by the parent
        out.put((seen, replayed, refused, client.repeated, repr(error)))


def gather(service, work, args, every, rng):
    out = multiprocessing.Queue()
    clients = [multiprocessing.Process(target=work, args=(service.port, *a, out)) for a in args]
    told = []
    reader = threading.Thread(target=lambda: told.extend(out.get() for _ in clients))
    reader.start()
    service.killed_while(clients, every, rng)
    reader.join(60)
    if len(told) < len(clients):
        sys.exit('races: a client ended without a word')
    return told


def pages(client):
    path = '/v1/jobs?limit=1000'
    while path:
        _, page, _ = client.ask('GET', path)
        yield from page['jobs']
        path = page['next']


def race_keys(service, n, seed):
    keys = max(3, n // 20)
    told = gather(service, ask_keys, [(seed + i, n // CLIENTS, keys) for i in range(CLIENTS)], 0.8, random.Random(seed))
    seen = collections.defaultdict(set)
    for part, _, _, _, error in told:
        if error:
            sys.exit(f'races: {error}')
        for key, answers in part.items():
            seen[key] |= answers
    ids = set()
    for key, answers in seen.items():
        made = {a for a in answers if a[0] != 'refused'}
        if len(made) > 1 or (made and any(('refused', other) in answers for _, other in made)):
            sys.exit(f'races: key-{key}: {answers}')
        ids |= {i for i, _ in made}
    client = Client(service.port)
    by_input = collections.Counter()
    groups = set()
    for job in pages(client):
        by_input[job.get('group') or job['id']] += 1
        groups.add(job.get('group') or job['id'])
    if any(c != 1 for c in by_input.values()) or not ids <= groups or len(groups) > keys:
        sys.exit(f'races: {len(ids)} keys were answered, {len(groups)} jobs are there, {max(by_input.values())} for one')
    print(f'races: {n // CLIENTS * CLIENTS} requests with {keys} keys by {CLIENTS} clients over {service.kills} kills: one job for each key; '
          f'{sum(t[1] for t in told)} replays, {sum(t[2] for t in told)} refused for another body, {sum(t[3] for t in told)} asked again for want of an answer')


# ---- cancels ----

JOBS = ({'task': 'noop'}, {'task': 'echo', 'input': 1}, {'task': 'sleep', 'input': {'seconds': 0.001}}, {'task': 'sleep', 'input': {'seconds': 0.004}},
        {'task': 'primes', 'input': {'limit': 300000}}, {'task': 'noop', 'delay': 0.003}, {'task': 'noop', 'priority': -5})


def cancel_jobs(port, seed, count, out):
    rng, client = random.Random(seed), Client(port)
    ends, counts = {}, collections.Counter()
    try:
        while counts['cancels'] < count:
            _, group, _ = client.ask('POST', '/v1/jobs/batch', json.dumps({'jobs': [rng.choice(JOBS) for _ in range(20)]}))
            ids = [j['id'] for j in group['jobs']]
            acknowledged = set()
            for ident in rng.sample(ids, len(ids)):
                for _ in range(rng.choice((1, 1, 1, 2))):
                    status, answer, _ = client.ask('POST', f'/v1/jobs/{ident}/cancel')
                    counts['cancels'] += 1
                    if status in (200, 202):
                        acknowledged.add(ident)
                    elif status != 409:
                        raise ValueError(f'cancel: {status} {answer}')
            left = ids
            while left:
                _, page, _ = client.ask('GET', f'/v1/jobs?ids={",".join(left)}&wait=5')
                for job in page['jobs']:
                    if job['state'] in FINAL:
                        ends[job['id']] = job['state']
                left = [i for i in left if i not in ends]
            for ident in ids:
                if ends[ident] not in ('succeeded', 'cancelled') or (ident in acknowledged) != (ends[ident] == 'cancelled'):
                    if ident in acknowledged or ends[ident] != 'cancelled' or client.repeated == 0:  # a cancel whose answer was lost
                        raise ValueError(f'{ident}: acknowledged {ident in acknowledged}, and {ends[ident]}')
                counts[ends[ident]] += 1
        out.put((ends, counts, None))
    except Exception as error:
        out.put((ends, counts, repr(error)))


def race_cancels(service, n, seed):
    service.kills = 0
    before = {j['id']: j['state'] for j in pages(Client(service.port))}
    told = gather(service, cancel_jobs, [(seed + 100 + i, n // CLIENTS) for i in range(CLIENTS)], 1.5, random.Random(seed))
    ends, counts = {}, collections.Counter()
    for part, more, error in told:
        if error:
            sys.exit(f'races: {error}')
        ends |= part
        counts += more
    client, states = Client(service.port), collections.Counter()
    seen = set()
    for job in pages(client):
        states[job['state']] += 1
        if job['id'] in seen:
            sys.exit(f'races: {job["id"]} is on two pages')
        seen.add(job['id'])
        if ends.get(job['id'], job['state']) != job['state']:
            sys.exit(f'races: {job["id"]} had ended as {ends[job["id"]]}, and is {job["state"]}')
    missing = (set(ends) | set(before)) - seen
    if missing:
        sys.exit(f'races: {len(missing)} jobs are gone')
    _, stats, _ = client.ask('GET', '/v1/stats')
    if any(states[state] != count for state, count in stats['jobs'].items()):
        sys.exit(f'races: counted {stats["jobs"]}, seen {dict(states)}')
    print(f'races: {counts["cancels"]} cancels of {len(ends)} jobs by {CLIENTS} clients over {service.kills} kills: {counts["cancelled"]} cancelled, '
          f'{counts["succeeded"]} had ended before; none that was acknowledged succeeded, no end changed, {len(seen)} jobs on the pages and in the counters')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('binary')
    parser.add_argument('--races', type=int, default=100000)
    parser.add_argument('--seed', type=int, default=int(time.time()))
    args = parser.parse_args()
    print(f'races: seed {args.seed}')
    service = Service(args.binary)
    try:
        race_keys(service, args.races, args.seed)
        race_cancels(service, args.races, args.seed)
        service.end(signal.SIGTERM)
        shutil.rmtree(service.dir)
    except BaseException:
        if service.process.poll() is None:
            service.process.kill()
        print(f'races: the log is {service.dir}/log')
        raise


if __name__ == '__main__':
    main()
