#!/usr/bin/env python3
"""endure.py JOBMILL [PART…] [--rounds N] [--seed S] - the same fault again and again, under load: nothing is lost, nothing is told wrong.

PART, and how many rounds are its long form:
  timeouts   1000   jobs that loop and ignore SIGTERM: each is killed and told `timeout`; also how late after timeout and kill_grace
  memory      200   jobs that allocate without end: each is told `out_of_memory`, and no other job or worker is touched
  garbage     500   programs that die of every signal, end with every status, and say what is no message: each is told apart
  recycle   10000   a worker for each job: no job is lost
  cancels  100000   jobs cancelled about when they end: one end each, and an acknowledged cancel is one
  reloads     200   SIGHUP with a new number of workers and new tokens: no request fails, no job is lost
  inherit    1000   what a program finds open and in its environment: of the service's nothing
All of them when none is named. Times are told, not judged.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
SECRET = 'a-secret-that-no-task-may-see'
TOKEN = 'jm_' + 'endure' * 10  # nobody's secret: made for this test


class Wrong(Exception):
    pass


def must(ok, what):
    if not ok:
        raise Wrong(what)


class Client:
    """One connection; one thread at a time."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection('127.0.0.1', port, timeout=120)
        self.head = {'Authorization': f'Bearer {TOKEN}'}  # not looked at where there are no tokens

    def ask(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body is not None else None, self.head)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def json(self, method, path, body=None, want=(200,)):
        status, data = self.ask(method, path, body)
        must(status in want, f'{method} {path}: {status} {data[:500]!r}')
        return json.loads(data)


class Service:
    def __init__(self, binary, conf, files=(), workers=2):
        """files: name and text of what {config_dir} has. workers None: as conf says."""
        self.dir = tempfile.mkdtemp(prefix='jobmill-endure-')
        os.chmod(self.dir, 0o755)
        self.conf = f'{self.dir}/jobmill.ini'
        self.write(conf)
        for name, text in files:
            with open(f'{self.dir}/{name}', 'w', encoding='utf-8') as file:
                file.write(text)
        self.log = open(f'{self.dir}/log', 'wb')
        os.mkdir(f'{self.dir}/tmp')
        os.chmod(f'{self.dir}/tmp', 0o1777)
        left_open = [os.open('/dev/null', os.O_RDONLY) for _ in range(5)]  # as a careless parent would
        self.process = subprocess.Popen([binary, 'serve', '--config', self.conf, '--listen', '127.0.0.1:0', '--data-dir', f'{self.dir}/data',
                                         *(['--workers', str(workers)] if workers else [])], stdout=subprocess.PIPE, stderr=self.log, pass_fds=left_open,
                                        env=dict(os.environ, TMPDIR=f'{self.dir}/tmp', ENDURE_SECRET=SECRET))
        for fd in left_open:
            os.close(fd)
        said = self.process.stdout.readline().decode()
        if ':' not in said:
            with open(f'{self.dir}/log', encoding='utf-8') as log:
                raise Wrong(f'the service does not begin: {log.read()}')
        self.port = int(said.rsplit(':', 1)[1])
        self.client = Client(self.port)

    def write(self, conf):
        with open(f'{self.conf}.new', 'w', encoding='utf-8') as file:
            file.write(conf)
        os.replace(f'{self.conf}.new', self.conf)

    def logged(self, words):
        with open(f'{self.dir}/log', 'rb') as file:
            return file.read().count(words.encode())

    def warnings(self):
        with open(f'{self.dir}/log', encoding='utf-8') as file:
            return ''.join(line for line in file if '"level":"warn"' in line or '"level":"error"' in line)

    def workers(self, pool=None):
        return {w['pid'] for w in self.client.json('GET', '/v1/workers')['workers'] if 'pid' in w and pool in (None, w['pool'])}

    def all_workers(self, count):
        """Their pids, once so many are born: the first word comes before the last worker."""
        until = time.monotonic() + 30
        while len(pids := self.workers()) < count:
            must(time.monotonic() < until, f'{len(pids)} of {count} workers are born after 30 s')
            time.sleep(0.01)
        return pids

    def end(self):
        """In good order, and nothing is left."""
        self.process.terminate()
        status = self.process.wait(60)
        must(status == 0, f'the service ended with {status}')
        must(not os.listdir(f'{self.dir}/tmp'), f'directories of jobs are left: {os.listdir(f"{self.dir}/tmp")}')

    def drop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def batches(service, jobs, size=500):
    """Submits them; the jobs as they ended, in order."""
    ended = []
    for i in range(0, len(jobs), size):
        group = service.client.json('POST', '/v1/jobs/batch', {'jobs': jobs[i:i + size]}, (202,))
        ended += [job['id'] for job in group['jobs']]
    return [until_end(service.client, ident) for ident in ended]


def until_end(client, ident, patience=300):
    until = time.monotonic() + patience
    while True:
        job = client.json('GET', f'/v1/jobs/{ident}?wait=30', want=(200, 202))
        if job['state'] in ('succeeded', 'failed', 'cancelled', 'expired'):
            return job
        must(time.monotonic() < until, f'does not end: {job}')


class Others(threading.Thread):
    """Asks for whole jobs of `noop` until told to stop: none fails."""

    def __init__(self, service, pause=0.005):
        super().__init__(daemon=True)
        self.client, self.pause, self.done, self.ran, self.wrong = Client(service.port), pause, threading.Event(), 0, None

    def run(self):
        try:
            while not self.done.wait(self.pause):
                job = self.client.json('POST', '/v1/jobs?wait=60', {'task': 'echo', 'input': self.ran})
                must(job['state'] == 'succeeded' and job['attempt'] == 1 and job['result'] == self.ran, f'another job: {job}')
                self.ran += 1
        except Exception as error:  # told by who waits
            self.wrong = error

    def end(self):
        self.done.set()
        self.join()
        must(not self.wrong, f'others: {self.wrong!r}')
        return self.ran


def seconds(text):
    return time.mktime(time.strptime(text[:19], '%Y-%m-%dT%H:%M:%S')) + float(text[19:-1])


def spread(values):
    values = sorted(values)
    return f'median {values[len(values) // 2] * 1000:.0f} ms, p99 {values[len(values) * 99 // 100] * 1000:.0f} ms, most {values[-1] * 1000:.0f} ms'


# ---- the parts: each returns a line about what was seen ----

TIMEOUT, GRACE = 0.2, 0.1
LOOP = 'trap "" TERM INT HUP\nwhile :; do :; done\n'
TREE = 'setsid sh $0.below & trap "" TERM INT HUP\nwhile :; do :; done\n'


def timeouts(binary, rounds, rng):
    conf = f"""[server]
kill_grace = {GRACE}
[pool apart]
workers = 2
[task loop]
pool = apart
command = /bin/sh {{config_dir}}/loop
timeout = {TIMEOUT}
max_attempts = 1
[task tree]
pool = apart
command = /bin/sh {{config_dir}}/tree
timeout = {TIMEOUT}
max_attempts = 1
"""
    service = Service(binary, conf, [('loop', LOOP), ('tree', TREE), ('tree.below', LOOP)])
    try:
        others = Others(service, 0.02)
        others.start()
        jobs = batches(service, [{'task': rng.choice(['loop', 'tree'])} for _ in range(rounds)])
        ran = others.end()
        late = []
        for job in jobs:
            must(job['state'] == 'failed' and job['error']['code'] == 'timeout' and job['attempt'] == 1, f'{job}')
            late.append(seconds(job['finished_at']) - seconds(job['started_at']) - TIMEOUT - GRACE)
        service.end()
        return f'{len(jobs)} of {rounds} told `timeout`; after timeout + kill_grace: {spread(late)}, {sum(x <= 0.1 for x in late)} within 100 ms; {ran} other jobs ran'
    finally:
        service.drop()


def memory(binary, rounds, rng):
    conf = """[pool apart]
workers = 2
[task bomb]
pool = apart
command = /usr/bin/python3 -c 'x = [bytearray(1 << 20) for i in range(1 << 20)]'
memory = 64MiB
max_attempts = 1
"""
    service = Service(binary, conf)
    try:
        before = service.all_workers(4)
        others = Others(service)
        others.start()
        jobs = batches(service, [{'task': 'bomb'} for _ in range(rounds)])
        ran = others.end()
        for job in jobs:
            must(job['state'] == 'failed' and job['error']['code'] == 'out_of_memory', f'{job}')
        after = service.workers()
        must(after == before, f'a worker died of it: {before} are {after}, the log: {service.warnings()}')
        service.end()
        return f'{len(jobs)} of {rounds} told `out_of_memory`; {ran} other jobs ran, no worker died'
    finally:
        service.drop()


def garbage(binary, rounds, rng):
    warm = ("import os, sys, json\n"
            "os.write(4, b'{\"ready\":true}\\n')\n"
            "for line in os.fdopen(3):\n"
            "    exec(json.loads(line)['job']['input'])\n")
    conf = """[task plain]
command = /bin/sh -c {input.do}
max_attempts = 1
[task warm]
persistent = true
command = /usr/bin/python3 {config_dir}/warm.py
max_attempts = 1
"""
    service = Service(binary, conf, [('warm.py', warm)])
    kinds = collections.Counter()
    try:
        jobs, wants = [], []

        def add(kind, task, what, code, **more):
            jobs.append({'task': task, 'input': {'do': what} if task == 'plain' else what})
            wants.append((code, more))
            kinds[kind] += 1
        for _ in range(rounds):
            kind = rng.randrange(8)
            if kind == 0:
                sig = rng.choice([1, 2, 3, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 24, 26, 31])
                add('signal', 'plain', f'kill -{sig} $$', 'crashed' if sig != 24 else 'cpu_limit', signal=sig)
            elif kind == 1:
                status = rng.randrange(1, 256)
                add('status', 'plain', f'exit {status}', 'task_error', exit_code=status)
            elif kind == 2:
                add('no JSON', 'plain', rng.choice(['printf "{"', 'echo nonsense', 'printf "\\\\001\\\\377"', 'echo "[1,]"', 'echo 1 2']), 'bad_result')
            elif kind == 3:
                add('noise beside a result', 'plain', 'head -c 3000 /dev/urandom >&4; head -c 3000 /dev/urandom >&2; echo; echo 1', None)
            elif kind == 4:
                noise = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 200)))
                add('warm: noise', 'warm', f'os.write(4, {b"x" + noise!r} + b"\\n")', 'bad_result')
            elif kind == 5:
                add('warm: half a line', 'warm', "os.write(4, b'{\"result\":'); os._exit(3)", ('crashed', 'bad_result'))
            elif kind == 6:
                add('warm: another id', 'warm', "os.write(4, b'{\"result\":1,\"id\":\"nobody\"}\\n')", 'bad_result')
            else:
                sig = rng.choice([4, 6, 8, 9, 11])
                add('warm: signal', 'warm', f'os.kill(os.getpid(), {sig})', 'crashed', signal=sig)
        ended = batches(service, jobs)
        for asked, job, (code, more) in zip(jobs, ended, wants):
            error = job.get('error', {})
            codes = code if isinstance(code, tuple) else (code,)
            must(error.get('code') in codes and all(error.get(k) == v for k, v in more.items()), f'{asked} must be {code} {more}: {job}')
        service.end()
        return f'{len(ended)} of {rounds} told apart: ' + ', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))
    finally:
        service.drop()


def recycle(binary, rounds, rng):
    conf = """[pool once]
workers = 2
recycle_jobs = 1
[task echo]
pool = once
[pool few]
workers = 1
[task warm]
pool = few
persistent = true
command = /bin/sh -c 'echo "{\\"ready\\":true}" >&4; while read -r job <&3; do echo "{\\"result\\":\\"done\\"}" >&4; done'
recycle_jobs = 1
"""
    service = Service(binary, conf)
    try:
        jobs = [{'task': 'echo', 'input': i} for i in range(rounds)] + [{'task': 'warm'} for _ in range(rounds // 10)]
        rng.shuffle(jobs)
        begin = time.monotonic()
        ended = batches(service, jobs)
        took = time.monotonic() - begin
        for asked, job in zip(jobs, ended):
            want = asked['input'] if asked['task'] == 'echo' else 'done'
            must(job['state'] == 'succeeded' and job['attempt'] == 1 and job['result'] == want, f'{job}')
        restarts = sum(w['restarts'] for w in service.client.json('GET', '/v1/workers')['workers'] if w['pool'] == 'once')
        deaths = {p['name']: p['deaths'] for p in service.client.json('GET', '/v1/stats')['pools']}
        must(restarts >= rounds - 2, f'{restarts} workers were replaced')
        must(set(deaths.values()) == {0}, f'workers died that were not to: {deaths}')
        service.end()
        return f'{rounds} jobs by {restarts + 2} workers, {rounds // 10} by as many programs, none lost or tried again, in {took:.0f} s'
    finally:
        service.drop()


def cancels(binary, rounds, rng):
    service = Service(binary, '[server]\nkeep_for = 0\n')
    seen = collections.Counter()
    lock = threading.Lock()

    def race(count, seed):
        client, mine, rand = Client(service.port), collections.Counter(), random.Random(seed)
        for _ in range(count):
            kind = rand.randrange(3)
            body = {'task': 'sleep', 'input': {'seconds': rand.random() * 0.004}} if kind else {'task': 'noop'}
            ident = client.json('POST', '/v1/jobs', body, (202,))['id']
            if rand.randrange(2):
                time.sleep(rand.random() * 0.006)
            status, data = client.ask('POST', f'/v1/jobs/{ident}/cancel')
            must(status in (200, 202, 409), f'cancel: {status} {data!r}')
            job = until_end(client, ident)
            must(job['state'] == ('succeeded' if status == 409 else 'cancelled'), f'cancel was answered {status}: {job}')
            mine[job['state']] += 1
        with lock:
            seen.update(mine)
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(race, (rounds + 3) // 4, rng.random()) for _ in range(4)]:
                future.result()
        counts = service.client.json('GET', '/v1/stats')['jobs']
        must(all(counts[state] == seen[state] for state in ('succeeded', 'cancelled', 'failed')), f'counted {counts}, seen {seen}')
        service.end()
        return f'{sum(seen.values())} cancels raced with the end: {seen["cancelled"]} in time, {seen["succeeded"]} too late, each told so'
    finally:
        service.drop()


def reloads(binary, rounds, rng):
    def conf(workers):
        return (f'[pool default]\nmax_workers = 8\nworkers = {workers}\n'
                f'[token all]\nhash = sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}\nscopes = admin\n'
                f'[token new]\nhash = sha256:{rng.randbytes(32).hex()}\nscopes = read\n')
    service = Service(binary, conf(2), workers=None)
    stop, ids, wrong = threading.Event(), [], []

    def load(seed):
        client, rand, mine = Client(service.port), random.Random(seed), []
        try:
            while not stop.is_set():
                if rand.randrange(2):
                    job = client.json('POST', '/v1/jobs?wait=60', {'task': 'echo', 'input': seed})
                    must(job['state'] == 'succeeded' and job['attempt'] == 1, f'{job}')
                else:
                    job = client.json('POST', '/v1/jobs', {'task': 'sleep', 'input': {'seconds': rand.random() * 0.02}}, (202,))
                mine.append(job['id'])
                client.json('GET', '/v1/workers')
                time.sleep(rand.random() * 0.01)  # it could do more
        except Exception as error:  # told below
            wrong.append(error)
        ids.extend(mine)
    try:
        threads = [threading.Thread(target=load, args=(i,), daemon=True) for i in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(rounds):
            workers = rng.randrange(1, 9)
            service.write(conf(workers))
            service.process.send_signal(signal.SIGHUP)
            until = time.monotonic() + 30
            while [p['workers'] for p in service.client.json('GET', '/v1/pools')['pools'] if p['name'] == 'default'] != [workers]:
                must(time.monotonic() < until and not wrong, f'not reloaded; {wrong}')
            time.sleep(rng.random() * 0.05)
        stop.set()
        for thread in threads:
            thread.join()
        must(not wrong, f'{wrong}')
        for ident in ids:
            job = until_end(service.client, ident)
            must(job['state'] == 'succeeded' and job['attempt'] == 1, f'{job}')
        deaths = service.client.json('GET', '/v1/stats')['pools'][0]['deaths']
        must(deaths == 0, f'{deaths} workers died')
        kept = service.client.json('GET', '/v1/stats')['jobs']
        must(kept['succeeded'] == len(ids), f'{kept}, not {len(ids)}')
        service.end()
        return f'{rounds} reloads under load: {len(ids)} jobs, no request failed, none lost, none twice, no worker died'
    finally:
        stop.set()
        service.drop()


ALLOWED = {'PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'JOBMILL_TASK', 'JOBMILL_JOB_ID', 'JOBMILL_ATTEMPT', 'JOBMILL_DIR',
           'PWD', 'OLDPWD', 'SHLVL', '_', 'LC_CTYPE', 'PYTHONPATH'}


def inherit(binary, rounds, rng):
    conf = f"""[task none]
command = /bin/sh {{config_dir}}/look
result = text
[task best]
command = /bin/sh {{config_dir}}/look
result = text
sandbox = best
[task warm]
persistent = true
command = /usr/bin/python3 {{config_dir}}/look.py
env.PYTHONPATH = {ROOT}/clients/python
"""
    service = Service(binary, conf, [('look', 'ls /proc/self/fd; env\n'), (
        'look.py', 'import os, jobmill\njobmill.serve(lambda job: [sorted(os.listdir("/proc/self/fd")), dict(os.environ)])\n')])
    try:
        jobs = [{'task': rng.choice(['none', 'best', 'warm'])} for _ in range(rounds)]
        for asked, job in zip(jobs, batches(service, jobs)):
            must(job['state'] == 'succeeded', f'{job}')
            if asked['task'] == 'warm':
                fds, env = job['result']
                must(len(fds) <= 6, f'open: {fds}')  # 0 to 2, its two pipes elsewhere, the directory it lists
            else:
                lines = job['result'].split('\n')
                fds = [line for line in lines if line.isdigit()]
                env = dict(line.split('=', 1) for line in lines if '=' in line)
                must(set(fds) <= {'0', '1', '2', '3', '4'} and '4' in fds, f'open: {fds}')  # 3: the directory that ls reads
            must(set(env) <= ALLOWED, f'environment: {set(env) - ALLOWED}')
            must(SECRET not in json.dumps(env), 'the secret')
        service.end()
        return f'{rounds} programs found nothing of the service open and nothing in their environment'
    finally:
        service.drop()


PARTS = {'timeouts': (timeouts, 1000), 'memory': (memory, 200), 'garbage': (garbage, 500), 'recycle': (recycle, 10000),
         'cancels': (cancels, 100000), 'reloads': (reloads, 200), 'inherit': (inherit, 1000)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('binary')
    parser.add_argument('parts', nargs='*', choices=[[], *PARTS], metavar='PART')
    parser.add_argument('--rounds', type=int, help='of each part; its long form when not given')
    parser.add_argument('--share', type=float, default=1, help='of the long form')
    parser.add_argument('--seed', type=int, default=int(time.time()))
    args = parser.parse_args()
    os.environ['TZ'] = 'UTC'
    time.tzset()
    failed = 0
    for name in args.parts or PARTS:
        part, long = PARTS[name]
        rounds = args.rounds or max(4, int(long * args.share))
        begin = time.monotonic()
        try:
            line = part(os.path.abspath(args.binary), rounds, random.Random(args.seed))
        except (Wrong, OSError, http.client.HTTPException, KeyError, TypeError, ValueError, subprocess.TimeoutExpired) as error:
            line, failed = f'FAILED, seed {args.seed}: {type(error).__name__}: {error}', 1
        print(f'{name}: {line} ({time.monotonic() - begin:.0f} s)', flush=True)
    return failed


if __name__ == '__main__':
    sys.exit(main())
