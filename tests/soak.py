#!/usr/bin/env python3
"""soak.py - a service under a mixed load for a long time: memory, descriptors, threads and files must not grow.

    tests/soak.py JOBMILL LOAD [--seconds S] [--listers N] [--csv FILE]

JOBMILL is the binary, LOAD is bench/load. The load: whole jobs over 8 connections without a pause, and beside it batches, failures,
cancels, long polls that leave, logs, idempotency keys, lists, metrics, bad input, and a worker killed now and then. Few ended jobs are
kept, so the store comes to a steady size. Samples of the last third are compared with those of the middle third: the first is the
warm-up. With listers, more ended jobs are kept, whole batches are added to the load, and N connections more ask for lists without a
pause: a read under way at every moment must not keep the store's log from being cut, nor many jobs a second from being forgotten as
fast as they end. Exits with 1 where something grew.
"""
import argparse
import http.client
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CONF = """
[server]
keep_max = %d
store_cache = 2MiB
reader_cache = 256KiB
keep_for = 1h
idempotency_ttl = 30s
[task fails]
command = /bin/false
max_attempts = 2
backoff = fixed 10ms
[task talks]
command = /bin/sh -c 'for i in 1 2 3 4 5; do echo "line $i" >&2; done; echo "{}"'
"""
WAL_MOST = 4 * 64 * 1024  # KiB: at twice wal_limit it is cut, once a commit has seen that; growth without end passes this, too
KEEP, KEEP_MUCH = 300, 20000  # keep_max without and with LISTERS; besides that are kept what ends while nobody looks
KEPT_BESIDES = 60000  # ended jobs: two seconds of the most that a machine for tests does
BATCH = json.dumps({'jobs': [{'task': 'noop'}] * 100})
LISTS = ('/v1/jobs?limit=100', '/v1/jobs?limit=1000&state=succeeded')
# what may grow from the middle third to the last: a factor, and so much besides; data_kib is without the store's log, which is written
# and cut all the time and has a bound of its own
LIMITS = {'pss_kib': (1.10, 2048), 'fds': (1.0, 24), 'threads': (1.0, 0), 'data_kib': (1.15, 8192), 'processes': (1.0, 2)}


class Mix(threading.Thread):
    """One client that does a bit of everything until it is told to stop."""

    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.port, self.rng, self.stop = port, random.Random(seed), threading.Event()
        self.calls, self.wrong = 0, []

    def ask(self, method, path, body=None, headers=None):
        if isinstance(body, dict):
            body = json.dumps(body)
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        data = answer.read()
        self.calls += 1
        if answer.status >= 500 and answer.status != 503:
            self.wrong.append(f'{method} {path}: {answer.status} {data[:200]!r}')
        return answer.status, data

    def step(self):
        act = self.rng.randrange(10)
        if act == 0:
            self.ask('POST', '/v1/jobs/batch', {'jobs': [{'task': 'noop', 'tags': ['batch']}] * self.rng.randint(1, 200)})
        elif act == 1:
            self.ask('POST', '/v1/jobs?wait=5', {'task': 'fails'})
        elif act == 2:
            status, data = self.ask('POST', '/v1/jobs', {'task': 'sleep', 'input': {'seconds': 30}})
            if status == 202:
                self.ask('POST', f'/v1/jobs/{json.loads(data)["id"]}/cancel?wait=5')
        elif act == 3:
            status, data = self.ask('POST', '/v1/jobs?wait=5', {'task': 'talks'})
            if status == 200:
                self.ask('GET', f'/v1/jobs/{json.loads(data)["id"]}/logs')
        elif act == 4:
            key = {'Idempotency-Key': f'soak-{self.rng.random()}'}
            for _ in range(2):
                self.ask('POST', '/v1/jobs', {'task': 'echo', 'input': {'text': 'x' * self.rng.randint(1, 4000)}}, key)
        elif act == 5:
            for path in ('/v1/jobs?limit=100', '/v1/stats', '/v1/workers', '/v1/tasks', '/metrics', '/readyz'):
                self.ask('GET', path)
        elif act == 6:
            self.ask('POST', '/v1/jobs', '{"task":', {})
            self.ask('POST', '/v1/jobs', {'task': 'none'})
        elif act == 7:  # clients that leave while they wait
            for _ in range(5):
                with socket.create_connection(('127.0.0.1', self.port)) as s:
                    s.sendall(b'POST /v1/jobs?wait=20 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 46\r\n\r\n{"task":"sleep","input":{"seconds":0.3},"a":1}'[:-8] + b'       }')
        elif act == 8:
            _, data = self.ask('GET', '/v1/workers')
            pids = [w['pid'] for w in json.loads(data)['workers'] if w.get('pid')]
            if pids and self.rng.random() < 0.2:
                try:
                    os.kill(self.rng.choice(pids), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        else:
            _, data = self.ask('GET', '/v1/jobs?limit=10&state=succeeded')
            for job in json.loads(data)['jobs'][:3]:
                self.ask('DELETE', '/v1/jobs/' + job['id'])

    def run(self):
        self.connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        while not self.stop.is_set():
            try:
                self.step()
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self.wrong.append(f'{type(error).__name__}: {error}')
                self.connection.close()
            time.sleep(0.005)


def tree(root):
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        try:
            for task in os.listdir(f'/proc/{pid}/task'):
                with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as f:
                    todo += [int(x) for x in f.read().split()]
            found.append(pid)
        except OSError:
            pass
    return found


def sample(root, data):
    now = dict.fromkeys((*LIMITS, 'wal_kib'), 0)
    for pid in tree(root):
        try:
            with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as f:
                now['pss_kib'] += sum(int(line.split()[1]) for line in f if line.startswith('Pss:'))
            now['processes'] += 1
        except OSError:
            pass
    now['fds'] = len(os.listdir(f'/proc/{root}/fd'))
    now['threads'] = len(os.listdir(f'/proc/{root}/task'))
    for path, _, names in os.walk(data):
        for name in names:
            try:
                size = os.stat(os.path.join(path, name)).st_blocks // 2
                now['wal_kib' if name == 'jobmill.db-wal' else 'data_kib'] += size
            except OSError:
                pass
    return now


def kept(port):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
    connection.request('GET', '/v1/stats')
    jobs = json.loads(connection.getresponse().read())['jobs']
    connection.close()
    return sum(jobs[state] for state in ('succeeded', 'failed', 'cancelled', 'expired'))


def judge(samples, keep):
    third = len(samples) // 3
    grew = []
    for name, (factor, more) in LIMITS.items():
        first, middle, last = (statistics.median(s[name] for s in part) for part in
                               (samples[:third], samples[third:2 * third], samples[2 * third:]))
        bad = last > middle * factor + more
        grew += [name] if bad else []
        print(f'  {name:10} first third {first:9.0f}  middle {middle:9.0f}  last {last:9.0f}{"  GREW" if bad else ""}')
    wal = max(s['wal_kib'] for s in samples)
    print(f'  the store\'s log: {wal} KiB at most')
    most = max(s['kept'] for s in samples)
    print(f'  ended jobs kept: {most} at most, of each task {keep}')
    return grew + (['the store\'s log'] if wal > WAL_MOST else []) + (['ended jobs'] if most > 4 * keep + KEPT_BESIDES else [])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('binary')
    parser.add_argument('load')
    parser.add_argument('--seconds', type=float, default=3600)
    parser.add_argument('--listers', type=int, default=0)
    parser.add_argument('--csv')
    args = parser.parse_args()
    base = tempfile.mkdtemp(prefix='jobmill-soak-')
    keep = KEEP_MUCH if args.listers else KEEP
    with open(f'{base}/conf', 'w', encoding='ascii') as f:
        f.write(CONF % keep)
    with open(f'{base}/log', 'wb') as log:
        service = subprocess.Popen([args.binary, 'serve', '--config', f'{base}/conf', '--listen', '127.0.0.1:0', '--data-dir', f'{base}/data',
                                    '--workers', '3', '--log-level', 'error'], stdout=subprocess.PIPE, stderr=log)
    port = int(service.stdout.readline().decode().rsplit(':', 1)[1])
    load = subprocess.Popen([args.load, str(port), '8', str(args.seconds), 'POST', '/v1/jobs?wait=30', '{"task":"noop"}'], stdout=subprocess.PIPE)
    beside = [('8', 'POST', '/v1/jobs/batch?wait=30', BATCH)] + [(str(args.listers // len(LISTS)), 'GET', path) for path in LISTS] if args.listers else []
    loads = [subprocess.Popen([args.load, str(port), conns, str(args.seconds), *what], stdout=subprocess.PIPE) for conns, *what in beside]
    mixes = [Mix(port, i) for i in range(3)]
    for m in mixes:
        m.start()
    samples, begin, every = [], time.monotonic(), max(0.2, args.seconds / 300)
    failed = []
    try:
        while time.monotonic() - begin < args.seconds:
            time.sleep(every)
            samples.append(sample(service.pid, f'{base}/data'))
            samples[-1]['kept'] = kept(port)
            if service.poll() is not None:
                failed.append(f'the service ended with {service.returncode}')
                break
        for m in mixes:
            m.stop.set()
        for m in mixes:
            m.join(90)
        rate = json.loads(load.communicate(timeout=90)[0] or b'{}')
        rates = [json.loads(p.communicate(timeout=90)[0] or b'{}') for p in loads]
        calls, wrong = sum(m.calls for m in mixes), [w for m in mixes for w in m.wrong]
        print(f'soak: {args.seconds:.0f} s, {rate.get("answers", 0)} whole jobs, {calls} other calls, {len(samples)} samples')
        for (conns, _, path, *_), told in zip(beside, rates):
            print(f'  {conns} connections: {told.get("answers", 0)} times {path}, slowest {told.get("max_us", 0) / 1000:.0f} ms')
        failed += judge(samples, keep) + wrong[:5] + [f'{r.get("bad")} bad answers' for r in (rate, *rates) if r.get('bad') != 0]
        if args.csv:
            with open(args.csv, 'w', encoding='ascii') as f:
                f.write(','.join(samples[0]) + '\n' + ''.join(','.join(map(str, s.values())) + '\n' for s in samples))
        service.send_signal(signal.SIGTERM)
        if service.wait(60) != 0:
            failed.append(f'the service ended with {service.returncode}')
    finally:
        for p in (load, *loads, service):
            if p.poll() is None:
                p.kill()
                p.wait()
        if failed:
            with open(f'{base}/log', encoding='utf-8', errors='replace') as log:
                print(''.join(log.readlines()[-20:]))
        shutil.rmtree(base, ignore_errors=True)
    for f in failed:
        print(f'soak: failed: {f}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
