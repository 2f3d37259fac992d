#!/usr/bin/env python3
"""model.py JOBMILL [--sequences N] [--steps N] [--seed S] - random sequences of what clients do, and of kills,
against a small model of a job's states.

The model knows, for each job, what its end must be when everything has come to rest, and which answers a
call may get before. After each sequence: every job is where the model says, nothing else is there, a walk
through the pages sees each job once, and the counters equal a recount. A seed repeats a run. Meanwhile other connections ask for the
jobs and watch what they are told (polls.py).
"""
import argparse
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from polls import Polls

FINAL = {'succeeded', 'failed', 'cancelled', 'expired'}


class Service:
    def __init__(self, binary):
        self.binary, self.dir = os.path.abspath(binary), tempfile.mkdtemp(prefix='jobmill-model-')
        self.process = self.connection = None
        self.seen_wrong = []
        self.polls = Polls(self.seen_wrong.append)
        self.start()

    def start(self):
        self.log = open(f'{self.dir}/log', 'ab')
        self.process = subprocess.Popen([self.binary, 'serve', '--listen', '127.0.0.1:0', '--data-dir', f'{self.dir}/data', '--workers', '2',
                                         '--kill-grace', '0.05', '--retry-delay', '0.01', '--drain-timeout', '0.2'],
                                        stdout=subprocess.PIPE, stderr=self.log)
        self.port = int(self.process.stdout.readline().decode().rsplit(':', 1)[1])
        self.connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=90)
        self.polls.start(self.port)

    def end(self, sig):
        self.polls.stop()
        self.connection.close()
        self.process.send_signal(sig)
        self.process.wait(60)
        self.process.stdout.close()
        self.log.close()

    def ask(self, method, path, body=None, headers=None):
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers or {})
        answer = self.connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if data else None, answer.headers

    def remove(self):
        self.end(signal.SIGTERM)
        self.polls.finish()
        shutil.rmtree(self.dir, ignore_errors=True)


class Wrong(Exception):
    pass


def must(ok, what):
    if not ok:
        raise Wrong(what)


class Job:
    """ends: what its end may be when all has come to rest; `open`: it has none by itself."""

    def __init__(self, ident, kind, parents=()):
        self.id, self.kind, self.parents = ident, kind, list(parents)
        self.cancelled = self.gone = self.vague = False
        self.unsure = kind == 'brief'  # its children may have ended by an end that it has no more, or by either of two
        self.key = None

    def end(self):
        if self.cancelled:
            return 'cancelled'
        if self.kind == 'quick':
            return 'succeeded'
        if self.kind == 'bad':
            return 'failed'
        if self.kind == 'stopped':  # it may have ended before it was
            return {'failed', 'cancelled'}
        if self.kind == 'brief':
            return {'succeeded', 'expired'}
        if self.kind == 'child':
            ends = [p.fate for p in self.parents]
            if all(e == 'succeeded' for e in ends):
                return 'succeeded'
            if any(e in ('failed', 'cancelled') for e in ends):
                return {'failed', 'cancelled'}
            return 'scheduled'  # one of them has no end by itself
        return {'late': 'scheduled', 'long': 'running'}[self.kind]


BODY = {
    'quick': {'task': 'echo', 'input': 7},
    'late': {'task': 'noop', 'delay': 36000},
    'long': {'task': 'sleep', 'input': {'seconds': 36000}, 'max_attempts': 1000, 'priority': -50},
    'bad': {'task': 'sleep', 'input': {'seconds': 30}, 'timeout': 0.02, 'max_attempts': 1},
    'child': {'task': 'echo'},
}


class Sequence:
    def __init__(self, service, rng):
        self.s, self.rng, self.jobs, self.paused, self.held = service, rng, [], False, False
        self.longs = self.kills = 0
        self.trace = []

    def alive(self):
        return [j for j in self.jobs if not j.gone]

    def add(self, answer, kind, parents=()):
        job = Job(answer['id'], kind, parents)
        self.jobs.append(job)
        return job

    # ---- what clients do ----

    def body(self):
        kinds = ['quick'] * 5 + ['late', 'bad'] + (['long'] if self.longs < 1 else [])
        parents = []
        kind = self.rng.choice(kinds)
        if self.alive() and self.rng.random() < 0.25:
            kind, parents = 'child', self.rng.sample(self.alive(), min(len(self.alive()), self.rng.randint(1, 3)))
        body = dict(BODY[kind])
        if parents:
            body['depends_on'] = [p.id for p in parents]
        self.longs += kind == 'long'
        return kind, parents, body

    def submit(self):
        kind, parents, body = self.body()
        status, job, _ = self.s.ask('POST', '/v1/jobs', body)
        must(status == 202, f'submit: {status} {job}')
        self.add(job, kind, parents)

    def submit_twice(self):
        key = f'key-{self.rng.random()}'
        first = self.s.ask('POST', '/v1/jobs', BODY['quick'], {'Idempotency-Key': key})
        if self.rng.random() < 0.3:
            self.kill()
        second = self.s.ask('POST', '/v1/jobs', BODY['quick'], {'Idempotency-Key': key})
        must(first[0] == second[0] == 202 and first[1] == second[1] and second[2]['Idempotency-Replayed'] == 'true', 'a key')
        self.add(first[1], 'quick')

    def batch(self):
        made = [self.body() for _ in range(self.rng.randint(1, 20))]
        status, group, _ = self.s.ask('POST', '/v1/jobs/batch', {'jobs': [b for _, _, b in made]})
        must(status == 202 and group['total'] == len(made), f'batch: {status} {group}')
        for (kind, parents, _), job in zip(made, group['jobs']):
            self.add(job, kind, parents)
        if self.rng.random() < 0.2:
            self.kill()
        _, now, _ = self.s.ask('GET', f'/v1/groups/{group["id"]}')
        must(now['total'] == len(made) == sum(now['counts'].values()), f'the group {now}')
        must(now['done'] == all(n == 0 for state, n in now['counts'].items() if state not in FINAL), f'done: {now}')
        _, results, _ = self.s.ask('GET', f'/v1/groups/{group["id"]}/results?limit=100')
        must([r['id'] for r in results['results']] == [j['id'] for j in group['jobs']], 'results in the order of submission')

    def brief(self):
        soon = time.time() + 0.03
        text = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(soon)) + f'.{int(soon % 1 * 1000):03d}Z'
        status, job, _ = self.s.ask('POST', '/v1/jobs', {'task': 'echo', 'input': 1, 'expires_at': text})
        must(status == 202 or status == 400 and time.time() > soon - 0.002, f'brief: {status} {job}')
        if status == 202:
            self.add(job, 'brief')

    def unique(self):
        key = f'key-{self.rng.randrange(3)}'
        there = [j for j in self.alive() if j.key == key]
        sure = [j for j in there if j.kind == 'late' and not j.cancelled and not j.unsure]
        status, told, _ = self.s.ask('POST', '/v1/jobs', dict(BODY['late'], unique={'key': key}))
        must(status == 202, f'unique: {status} {told}')
        must(not sure or told['id'] == sure[-1].id, f'{told["id"]} beside {[j.id for j in sure]}, which waits')
        if told['id'] not in [j.id for j in self.jobs]:
            self.add(told, 'late').key = key
        else:
            must(told['id'] in [j.id for j in there], 'the same is one with its key')

    def stop_all(self):
        status, told, _ = self.s.ask('POST', '/v1/jobs/cancel?task=sleep')
        must(status == 200 and not told['more'], f'bulk: {status} {told}')
        for job in self.alive():
            if job.kind == 'long' and not job.cancelled:
                self.longs -= 1
                job.cancelled = job.unsure = True
            elif job.kind == 'bad':
                job.kind, job.unsure = 'stopped', True

    def retry_all(self):
        status, told, _ = self.s.ask('POST', '/v1/jobs/retry?task=sleep&state=failed')
        must(status == 200 and not told['more'], f'bulk: {status} {told}')
        for job in self.alive():
            if job.kind == 'bad' and job.cancelled:
                continue
            job.unsure = job.unsure or job.kind in ('bad', 'stopped')

    def hold(self):
        self.held = not self.held
        status, pool, _ = self.s.ask('POST', f'/v1/pools/default/{"pause" if self.held else "resume"}')
        must(status == 200 and pool['paused'] == self.held, f'pool: {status} {pool}')

    def some(self):
        return self.rng.choice(self.alive()) if self.alive() else None

    def cancel(self):
        job = self.some()
        if not job:
            return
        tag = self.s.polls.before(self.s.connection, job.id)
        _, was, _ = self.s.ask('GET', f'/v1/jobs/{job.id}')
        status, told, _ = self.s.ask('POST', f'/v1/jobs/{job.id}/cancel')
        must(status in (200, 202, 409), f'cancel: {status} {told}')
        if status != 409 and was['state'] not in FINAL and not was.get('cancel_requested'):
            self.s.polls.changed(self.s.connection, job.id, tag)
        if status == 409:
            _, now, _ = self.s.ask('GET', f'/v1/jobs/{job.id}')
            must(now['state'] in FINAL, f'409 for a job that is {now["state"]}')
            must(not job.cancelled or now['state'] == 'cancelled', 'an acknowledged cancel stands')
        elif not (job.kind == 'child' and told['error']['code'] == 'dependency_failed' if told.get('error') else False):
            self.longs -= job.kind == 'long' and not job.cancelled
            job.unsure = job.unsure or not job.cancelled
            job.cancelled = True

    def open_parents(self, job):
        return [p for p in job.parents if not p.gone and self.s.ask('GET', f'/v1/jobs/{p.id}')[1]['state'] not in FINAL]

    def waits_again(self, job, before, told):
        """It waits for those that have not ended; the others hold it no more, however they ended."""
        must(before or told['state'] != 'scheduled', f'it waits for nothing: {told}')
        job.parents = self.open_parents(job)
        must(not job.parents or told['state'] == 'scheduled', f'it does not wait: {told}')
        if job.parents != before:  # one ended at that moment: it decided, or came too early for that
            job.vague = True
        if not before:
            job.kind = 'quick'

    def retry(self):
        job = self.some()
        if not job or job.kind == 'long' and self.longs > 0:  # two of these would hold both workers for ever
            return
        tag = self.s.polls.before(self.s.connection, job.id)
        _, now, _ = self.s.ask('GET', f'/v1/jobs/{job.id}')
        before = self.open_parents(job)
        status, told, _ = self.s.ask('POST', f'/v1/jobs/{job.id}/retry')
        if status != 409 and job.kind == 'child':
            self.waits_again(job, before, told)
        if status != 409 and now['state'] in FINAL:
            self.s.polls.changed(self.s.connection, job.id, tag)
        job.unsure = job.unsure or status != 409
        if now['state'] in ('failed', 'cancelled', 'expired'):
            must(status in (200, 202), f'retry of one that is {now["state"]}: {status}')
            if job.kind == 'late':
                job.kind = 'quick'  # it runs at once
            self.longs += job.kind == 'long' and job.cancelled
            job.cancelled = False
        else:
            must(status in (200, 202, 409), f'retry: {status} {told}')
            if status != 409:
                job.cancelled = False
                if job.kind == 'late':
                    job.kind = 'quick'
                self.longs += job.kind == 'long'

    def delete(self):
        job = self.some()
        if not job or any(job in j.parents for j in self.jobs):
            return
        status, told, _ = self.s.ask('DELETE', f'/v1/jobs/{job.id}')
        must(status in (204, 409), f'delete: {status} {told}')
        if status == 204:
            job.gone = True
            self.s.polls.deleted(self.s.connection, job.id)
            must(self.s.ask('GET', f'/v1/jobs/{job.id}')[0] == 404, 'what was deleted is gone')

    def flip(self):
        self.paused = not self.paused
        status, task, _ = self.s.ask('POST', f'/v1/tasks/echo/{"pause" if self.paused else "resume"}')
        must(status == 200 and task['paused'] == self.paused, 'pause')

    def kill(self):
        self.kills += 1
        self.s.end(self.rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        self.s.start()
        _, task, _ = self.s.ask('GET', '/v1/tasks/echo')
        must(task['paused'] == self.paused, 'a pause outlives a restart')
        must([p['paused'] for p in self.s.ask('GET', '/v1/pools')[1]['pools']] == [self.held], 'that of a pool, too')

    def look(self):
        job = self.some()
        if job:
            status, now, _ = self.s.ask('GET', f'/v1/jobs/{job.id}')
            must(status == 200 and now['attempt'] <= now['max_attempts'], f'look: {status} {now}')
            if now['state'] in FINAL and now['state'] not in ('failed', 'cancelled'):
                must(job.kind in ('quick', 'child', 'brief'), f'{job.kind} is {now["state"]}')

    ACTS = ['submit'] * 6 + ['batch'] * 2 + ['submit_twice', 'cancel', 'cancel', 'retry', 'retry', 'delete', 'flip', 'look', 'look', 'kill',
                                             'brief', 'unique', 'unique', 'stop_all', 'retry_all', 'hold']

    # ---- when all has come to rest ----

    def decide(self):
        """The end of each; parents come before their children."""
        for job in self.jobs:
            job.fate = job.end()
        for job in self.jobs:
            if job.kind == 'child' and not job.cancelled:
                ends = [p.fate if not isinstance(p.fate, set) else 'failed' for p in job.parents]
                job.fate = ('succeeded' if all(e == 'succeeded' for e in ends)
                            else {'failed', 'cancelled'} if any(e in ('failed', 'cancelled') for e in ends) else 'scheduled')

    def rest(self):
        if self.paused:
            self.flip()
        if self.held:
            self.hold()
        until = time.monotonic() + 120
        for job in self.alive():
            wait = ''
            tag = self.s.polls.before(self.s.connection, job.id)
            while True:
                _, now, _ = self.s.ask('GET', f'/v1/jobs/{job.id}{wait}')
                if now['state'] in FINAL or job.kind in ('late', 'long') and not job.cancelled or now['state'] == 'scheduled' and 'waiting_for' in now:
                    break
                must(time.monotonic() < until, f'{job.kind} {now} does not come to rest')
                wait = '?wait=1'
            if wait and now['state'] in FINAL:  # a wait told its end: what was before is over
                self.s.polls.changed(self.s.connection, job.id, tag)

    def check(self):
        self.rest()
        seen, path = {}, '/v1/jobs?limit=7'
        while path:
            _, page, _ = self.s.ask('GET', path)
            for job in page['jobs']:
                must(job['id'] not in seen, f'{job["id"]} is on two pages')
                seen[job['id']] = job['state']
            path = page['next']
        must(set(seen) == {j.id for j in self.alive()}, 'the pages hold what is there')
        for job in self.alive():  # one that ran at each of three kills has no attempt left
            if job.kind in ('quick', 'child', 'brief') and seen[job.id] == 'failed' and self.kills >= 3:
                _, now, _ = self.s.ask('GET', f'/v1/jobs/{job.id}')
                if now['error']['code'] == 'crashed' and now['attempt'] == now['max_attempts']:
                    job.kind = 'bad'
        self.decide()
        for job in self.alive():
            state = seen[job.id]
            if job.vague or any(p.unsure for p in job.parents):
                job.unsure = True  # and so those behind it
                continue
            want = job.fate if isinstance(job.fate, set) else {job.fate}
            if job.fate == 'running':
                want = {'running', 'queued'}
            must(state in want, f'{job.kind} {job.id} is {state}, not {want}')
        _, stats, _ = self.s.ask('GET', '/v1/stats')
        for state, n in stats['jobs'].items():
            have = sum(1 for v in seen.values() if v == state)
            must(n == have or {state} & {'running', 'queued'}, f'{state}: {n} counted, {have} seen')

    def run(self, steps):
        for _ in range(steps):
            self.trace.append(self.rng.choice(self.ACTS))
            getattr(self, self.trace[-1])()
            self.s.polls.look(self.s.connection, [j.id for j in self.alive()], self.rng)
            must(not self.s.seen_wrong, self.s.seen_wrong[:1])
        self.check()
        must(not self.s.seen_wrong, self.s.seen_wrong[:1])

    def clean(self):
        """Nothing of this sequence is left for the next."""
        self.s.polls.stop()
        self.s.polls.forget()
        self.s.polls.start(self.s.port)
        self.bulk('cancel', '')
        until = time.monotonic() + 60
        while any(self.s.ask('GET', '/v1/stats')[1]['jobs'][state] for state in ('scheduled', 'queued', 'running')):
            must(time.monotonic() < until, 'what was cancelled ends')
            time.sleep(0.005)
        for state in FINAL:
            self.bulk('delete', f'?state={state}')
        must(self.s.ask('GET', '/v1/jobs')[1]['jobs'] == [], 'clean')

    def bulk(self, act, query):
        more = True
        while more:
            status, told, _ = self.s.ask('POST', f'/v1/jobs/{act}{query}')
            must(status == 200 and told['changed'] <= told['matched'], f'{act}: {status} {told}')
            more = told['more']


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('binary')
    parser.add_argument('--sequences', type=int, default=100)
    parser.add_argument('--steps', type=int, default=30)
    parser.add_argument('--seed', type=int, default=int(time.time()))
    args = parser.parse_args()
    service = Service(args.binary)
    sequence, n = None, 0
    try:
        for n in range(args.sequences):
            sequence = Sequence(service, random.Random(args.seed + n))
            sequence.run(args.steps)
            sequence.clean()
        if os.path.exists('/usr/bin/sqlite3'):
            service.end(signal.SIGTERM)
            ok = subprocess.run(['/usr/bin/sqlite3', f'{service.dir}/data/jobmill.db', 'PRAGMA integrity_check'], capture_output=True, text=True, check=True)
            must(ok.stdout.strip() == 'ok', ok.stdout)
            service.start()
    except (Wrong, OSError, http.client.HTTPException, KeyError, TypeError, ValueError) as error:
        print(f'model: seed {args.seed + n}: {type(error).__name__}: {error}\n  after {" ".join(sequence.trace)}')
        service.polls.going.clear()
        service.process.kill()
        with open(f'{service.dir}/log', encoding='utf-8', errors='replace') as log:
            print(''.join(log.readlines()[-15:]))
        return 1
    except BaseException:
        service.polls.going.clear()
        service.process.kill()
        raise
    service.remove()
    polls = service.polls
    print(f'model: {args.sequences} sequences of {args.steps} steps from seed {args.seed}, {polls.count} polls ({polls.not_modified} of them 304): '
          'no disagreement')
    return 0


if __name__ == '__main__':
    sys.exit(main())
