#!/usr/bin/env python3
"""pipelines.py JOBMILL [--jobs N] [--pause S] [--seed S] - three pipelines of one service, N jobs each, under kills.

A command (examples/images: a PNG in, a thumbnail out), a Python program kept warm, and remote workers. While they
run, workers, programs and remote workers are killed at random. In the end every job has come to what it had to come
to, with the picture or the number that it asked for; each attempt is accounted for by a kill or by the outcome; none
is lost, and none ended twice. A seed repeats the jobs and the choice of victims, not their timing.
"""
import argparse
import collections
import concurrent.futures
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pictures

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, '..', 'examples')
PROGRAM = os.path.join(HERE, 'programs', 'pipeline.py')
CONF = """
[pool programs]
workers = 2
[task warm]
command = /usr/bin/python3 {program} {dir}/journal
persistent = true
pool = programs
env.PYTHONPATH = {here}/../clients/python
[task remote]
kind = remote
"""
SIZES = {'24x24': (24, 16), '36x36': (36, 24), '48x48': (48, 32)}
FINAL = {'succeeded', 'failed', 'cancelled', 'expired'}
ATTEMPTS, LEASE = 200, 20
KILL_PATIENCE = 10  # seconds without an end of a job, after which it is killed on all the same
PATIENCE = 300  # seconds until a job must have ended that is looked at


class Wrong(Exception):
    pass


def must(ok, what):
    if not ok:
        raise Wrong(what)


class Client(threading.local):
    """A connection for each thread."""
    port = None

    def ask(self, method, path, body=None, headers=None):
        if not hasattr(self, 'connection'):
            self.connection = http.client.HTTPConnection('127.0.0.1', Client.port, timeout=120)
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        return answer.status, answer.read(), answer.headers

    def json(self, method, path, body=None, headers=None, want=200):
        status, data, _ = self.ask(method, path, body, headers)
        must(status == want, f'{method} {path}: {status} {data[:500]!r}')
        return json.loads(data)


ask = Client()


class Service:
    def __init__(self, binary):
        self.dir = tempfile.mkdtemp(prefix='jobmill-pipelines-')
        os.chmod(self.dir, 0o755)
        with open(f'{EXAMPLES}/images/images.ini', encoding='utf-8') as example:
            text = example.read()
        with open(f'{self.dir}/jobmill.ini', 'w', encoding='utf-8') as conf:
            conf.write(text + CONF.format(dir=self.dir, here=HERE, program=PROGRAM))
        self.log = open(f'{self.dir}/log', 'wb')
        os.mkdir(f'{self.dir}/tmp')
        os.chmod(f'{self.dir}/tmp', 0o1777)
        self.process = subprocess.Popen([binary, 'serve', '--config', f'{self.dir}/jobmill.ini', '--listen', '127.0.0.1:0',
                                         '--data-dir', f'{self.dir}/data', '--workers', '1'], stdout=subprocess.PIPE, stderr=self.log,
                                        env=dict(os.environ, TMPDIR=f'{self.dir}/tmp'))
        Client.port = int(self.process.stdout.readline().decode().rsplit(':', 1)[1])

    def end(self):
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return 'not at all'
        finally:
            self.process.stdout.close()
            self.log.close()


class Remotes:
    """Remote workers, as many as there should be."""

    def __init__(self, service, count):
        self.service, self.workers = service, []
        for _ in range(count):
            self.start()

    def start(self):
        env = dict(os.environ, PYTHONPATH=EXAMPLES, PYTHONDONTWRITEBYTECODE='1', LEASE_DURATION=str(LEASE))
        self.workers.append(subprocess.Popen([sys.executable, PROGRAM, f'{self.service.dir}/journal', f'http://127.0.0.1:{Client.port}'],
                                             env=env, stderr=subprocess.DEVNULL))

    def kill(self, rng):
        victim = self.workers.pop(rng.randrange(len(self.workers)))
        must(victim.poll() is None, f'a remote worker ended by itself: {victim.returncode}')
        victim.kill()
        victim.wait()
        self.start()

    def end(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.workers = []


def children(pid):
    try:
        with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
            return [int(p) for p in file.read().split()]
    except OSError:
        return []


def below(pid):
    found = children(pid)
    for p in found:
        found += children(p)
    return found


class Killer(threading.Thread):
    """Kills at random until it is told to stop. kills: how many of what; hit: pids of the workers that it killed or below which."""

    KINDS = ['worker', 'worker', 'program', 'program', 'program', 'remote', 'remote']

    def __init__(self, service, remotes, pause, seed):
        super().__init__()
        self.service, self.remotes, self.pause, self.rng = service, remotes, pause, random.Random(seed)
        self.done, self.kills, self.hit, self.failed = threading.Event(), collections.Counter(), set(), None

    def run(self):
        try:
            ended = -1
            while not self.done.wait(self.rng.expovariate(1 / self.pause)):
                ended = self.await_another(ended)
                self.kill_one(self.rng.choice(self.KINDS))
        except Exception as error:  # told by the one who waits for the jobs
            self.failed = error

    def await_another(self, ended):
        """Until more jobs have ended than those, or for long: on a slow machine nothing would get on else. How many have."""
        until = time.monotonic() + KILL_PATIENCE
        while True:
            jobs = ask.json('GET', '/v1/stats')['jobs']
            now = sum(n for state, n in jobs.items() if state in FINAL)
            if now != ended or time.monotonic() > until or self.done.wait(0.02):
                return now

    def kill_one(self, kind):
        if kind == 'remote':
            self.remotes.kill(self.rng)
            self.kills['remote'] += 1
            return
        workers = [w for w in ask.json('GET', '/v1/workers')['workers'] if w['pool'] != 'default' and 'pid' in w]
        if not workers:
            return
        worker = self.rng.choice(workers)
        victims = [worker['pid']] if kind == 'worker' else below(worker['pid'])
        if victims and self.shoot(self.rng.choice(victims)):
            self.kills[f'{kind} of {worker["pool"]}'] += 1
            self.hit.add(worker['pid'])

    def shoot(self, pid):
        """Only what is below the service: a pid may have become another's meanwhile."""
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            if pid not in below(self.service.process.pid):
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)


# ---- the jobs, and what must come of each ----

def is_bad(n):
    return n % 50 == 17


def submit_picture(n):
    size = list(SIZES)[n % len(SIZES)]
    picture = b'no picture at all' if is_bad(n) else pictures.make(n, 96, 64)
    if n % 10 == 3:  # as a form sends it
        parts = (f'--x\r\nContent-Disposition: form-data; name="size"\r\n\r\n{size}\r\n'
                 f'--x\r\nContent-Disposition: form-data; name="file"; filename="{n}.png"\r\nContent-Type: image/png\r\n\r\n').encode()
        job = ask.json('POST', f'/v1/tasks/thumbnail/jobs?max_attempts={ATTEMPTS}', parts + picture + b'\r\n--x--\r\n',
                       {'Content-Type': 'multipart/form-data; boundary=x'}, 202)
    else:
        job = ask.json('POST', f'/v1/tasks/thumbnail/jobs?size={size}&max_attempts={ATTEMPTS}', picture, {'Content-Type': 'image/png'}, 202)
    return job['id'], ('thumbnail', n)


def submit_batch(task, numbers, rounds):
    jobs = [{'task': task, 'max_attempts': ATTEMPTS, 'input': {'n': n, 'bad': True} if is_bad(n) else {'n': n, 'rounds': rounds}} for n in numbers]
    group = ask.json('POST', '/v1/jobs/batch', json.dumps({'jobs': jobs}), want=202)
    return [(job['id'], (task, n)) for job, n in zip(group['jobs'], numbers)]


def check_picture(job, n):
    must(job['result_type'] == 'image/png', f'{job}')
    status, data, _ = ask.ask('GET', f'/v1/jobs/{job["id"]}/result')
    must(status == 200 and len(data) == job['result_size'], f'the picture of {job["id"]}: {status}, {len(data)} bytes')
    width, height, pixel = pictures.read(data)
    must((width, height) == SIZES[job['parameters']['size']], f'{job["id"]}: {width}x{height} for {job["parameters"]}')
    for quarter, want in enumerate(pictures.colours(n)):
        got = pixel(width // 4 + quarter % 2 * width // 2, height // 4 + quarter // 2 * height // 2)
        must(all(abs(a - b) <= 2 for a, b in zip(got, want)), f'{job["id"]}: quarter {quarter} of picture {n} is {got}, not {want}')


class Check:
    def __init__(self, expected, killer, rounds, journal):
        self.expected, self.killer, self.rounds = expected, killer, rounds
        self.lost = collections.Counter()  # attempts by task and error
        self.attempts, self.ends = collections.Counter(), collections.Counter()
        self.begun, self.done = collections.Counter(), collections.Counter()
        with open(journal, encoding='ascii') as file:
            for line in file:
                ident, attempt, what = line.split()
                (self.begun if what == 'begun' else self.done)[ident, int(attempt)] += 1

    def outcome(self, job, task, n):
        """It ended as it had to."""
        if is_bad(n):
            error = job.get('error', {})
            right = error.get('exit_code') == 1 and error['code'] == 'task_error' if task == 'thumbnail' else error.get('code') == 'bad_number'
            must(job['state'] == 'failed' and right, f'a bad one: {job}')
            return
        must(job['state'] == 'succeeded' and 'error' not in job, f'{job}')
        if task == 'thumbnail':
            check_picture(job, n)
        else:
            want = {'n': n, 'digest': digest(n, self.rounds), 'attempt': job['attempt']}
            must(job['result'] == want, f'{job["id"]}: {job["result"]}, not {want}')

    def one_attempt(self, job, attempt, task):
        """One that is not the last: somebody was killed."""
        error = attempt.get('error', {})
        code = error.get('code')
        self.lost[task, code] += 1
        if task == 'remote':
            must(code == 'lease_expired', f'{job["id"]}: {attempt}')
            return
        must(code == 'crashed' and error.get('signal') == signal.SIGKILL or code == 'task_unavailable' and task == 'warm', f'{job["id"]}: {attempt}')
        must(attempt.get('worker') in self.killer.hit, f'{job["id"]}: nobody was killed in {attempt}')

    def history(self, job, task):
        attempts = job['attempts']
        last = job['attempt']
        must([a['number'] for a in attempts] == list(range(last - len(attempts) + 1, last + 1)), f'{job["id"]}: attempts {attempts}')
        must(len(attempts) == min(last, 21), f'{job["id"]}: {len(attempts)} of {last} attempts are told')
        times = [a[t] for a in attempts for t in ('started_at', 'finished_at')]
        must(times == sorted(times), f'{job["id"]}: the times of {attempts}')
        for attempt in attempts[:-1]:
            self.one_attempt(job, attempt, task)
        must(attempts[-1].get('error') == job.get('error'), f'{job["id"]}: its error is not that of its last attempt: {job}')
        self.attempts[task] += last
        if task != 'thumbnail':
            must(self.done[job['id'], last] == 1, f'{job["id"]}: the attempt that counts was done {self.done[job["id"], last]} times')

    def job(self, ident):
        task, n = self.expected[ident]
        job = ask.json('GET', f'/v1/jobs/{ident}')
        must(job['state'] in FINAL, f'{job}')
        self.outcome(job, task, n)
        self.history(job, task)
        self.ends[task, job['state']] += 1

    def journal(self):
        twice = [key for key, times in self.begun.items() if times > 1]
        must(not twice, f'attempts that ran twice: {twice[:5]}')
        must({ident for ident, _ in self.begun} <= set(self.expected), 'jobs ran that nobody submitted')

    def kills(self):
        """No attempt was lost but by a kill, and one kill costs one attempt."""
        for task, pool in (('thumbnail', 'pictures'), ('warm', 'programs'), ('remote', None)):
            lost = sum(v for (t, _), v in self.lost.items() if t == task)
            kills = sum(v for k, v in self.killer.kills.items() if k.endswith(pool or 'remote'))
            must(lost <= kills, f'{task}: {lost} attempts lost by {kills} kills')

    def figures(self, jobs):
        """What the service counted is what was seen."""
        _, text, _ = ask.ask('GET', '/metrics')
        counted = collections.Counter()
        for name, labels, value in re.findall(r'^(jobmill_\w+_total)\{(.*)\} (\d+)$', text.decode(), re.M):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            counted[name, labels.get('task'), labels.get('outcome')] += int(value)
        for task in ('thumbnail', 'warm', 'remote'):
            must(counted['jobmill_jobs_submitted_total', task, None] == jobs, f'{task}: submitted')
            for state in FINAL:
                must(counted['jobmill_jobs_finished_total', task, state] == self.ends[task, state], f'{task}: {state}: {counted}')
            ran = sum(v for (name, t, outcome), v in counted.items() if name == 'jobmill_attempts_total' and t == task and outcome != 'returned')
            must(ran == self.attempts[task], f'{task}: {ran} attempts counted, {self.attempts[task]} seen')


def digest(n, rounds):
    sys.path.insert(0, os.path.dirname(PROGRAM))
    argv, sys.argv = sys.argv, ['pipeline.py', os.devnull]
    import pipeline
    sys.argv = argv
    return pipeline.compute(n, rounds)


def every_job():
    """The lists, page by page: each job's last word, without the jobs' own pages."""
    seen, path = {}, '/v1/jobs?limit=1000'
    while path:
        page = ask.json('GET', path)
        for job in page['jobs']:
            must(job['id'] not in seen, f'{job["id"]} is on two pages')
            seen[job['id']] = (job['state'], job['attempt'], job.get('finished_at'), job.get('result_size'))
        path = page['next']
    return seen


def await_ends(idents, killer):
    """How each ended, when it was first seen to have."""
    first = {}
    for ident in idents:
        until = time.monotonic() + PATIENCE
        while True:
            must(not killer.failed, f'the killer: {killer.failed!r}')
            job = ask.json('GET', f'/v1/jobs/{ident}?wait=5')
            if job['state'] in FINAL:
                break
            must(time.monotonic() < until, f'does not end: {job}')
        first[ident] = (job['state'], job['attempt'], job.get('finished_at'), job.get('result_size'))
    return first


def submit_all(jobs, rounds, seed):
    """As three clients at once do it; {id: (task, number)}."""
    numbers, expected = list(range(jobs)), {}
    random.Random(seed).shuffle(numbers)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        batches = [pool.submit(submit_batch, task, numbers[i:i + 500], rounds) for i in range(0, jobs, 500) for task in ('warm', 'remote')]
        expected.update(pool.map(submit_picture, numbers))
        for batch in batches:
            expected.update(batch.result())
    must(len(expected) == 3 * jobs, f'{len(expected)} ids for {3 * jobs} jobs')
    return expected


def run(service, args):
    rounds = 8000  # some milliseconds: long enough to be killed in
    remotes = Remotes(service, 3)
    killer = Killer(service, remotes, args.pause, args.seed)
    begin = time.monotonic()
    try:
        killer.start()
        expected = submit_all(args.jobs, rounds, args.seed)
        first = await_ends(expected, killer)
    finally:
        killer.done.set()
        killer.join()
        remotes.end()
    took = time.monotonic() - begin
    must(not killer.failed, f'the killer: {killer.failed!r}')
    check = Check(expected, killer, rounds, f'{service.dir}/journal')
    for ident in expected:
        check.job(ident)
    check.journal()
    check.kills()
    check.figures(args.jobs)
    must(every_job() == first, 'a job that had ended ended again, is gone, or was never submitted')
    return took, check


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('binary')
    parser.add_argument('--jobs', type=int, default=200)
    parser.add_argument('--pause', type=float, default=0.15, help='mean seconds between two kills')
    parser.add_argument('--seed', type=int, default=int(time.time()))
    args = parser.parse_args()
    service = Service(os.path.abspath(args.binary))
    try:
        took, check = run(service, args)
        status = service.end()
        must(status == 0, f'the service ended with {status}')
        left = os.listdir(f'{service.dir}/tmp')
        must(not left, f'directories of jobs are left: {left}')
    except (Wrong, OSError, http.client.HTTPException, KeyError, TypeError, ValueError) as error:
        print(f'pipelines: seed {args.seed}: {type(error).__name__}: {error}')
        service.process.kill()
        with open(f'{service.dir}/log', encoding='utf-8', errors='replace') as log:
            print(''.join(log.readlines()[-15:]))
        return 1
    finally:
        if service.process.poll() is None:
            service.process.kill()
    shutil.rmtree(service.dir, ignore_errors=True)
    print(f'pipelines: {args.jobs} jobs of each kind, seed {args.seed}: {took:.1f} s')
    print('  killed: ' + ', '.join(f'{n} {what}' for what, n in sorted(check.killer.kills.items())))
    print('  attempts lost: ' + (', '.join(f'{n} {task} {code}' for (task, code), n in sorted(check.lost.items())) or 'none'))
    print('  ended: ' + ', '.join(f'{n} {task} {state}' for (task, state), n in sorted(check.ends.items())))
    return 0


if __name__ == '__main__':
    sys.exit(main())
