#!/usr/bin/env python3
"""make.py JOBMILL - what a service leaves that is killed: a store of JOBMILL's schema as text, for tests/kept/schema-N.sql. See tests/e2e_upgrade.c.

An earlier JOBMILL is asked for the same: what it does not know yet it refuses, and that is told on standard error and left out.
"""
import http.client
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile

STEPS = f'{os.path.dirname(os.path.abspath(__file__))}/../../migrations/sqlite'
CONF = '[task far]\nkind = remote\n'


def start(place, conf):
    """The service and its port; the port is 0 where it does not take the configuration."""
    with open(f'{place}/conf', 'w', encoding='utf-8') as f:
        f.write(conf)
    with open(f'{place}/log', 'ab') as log:
        service = subprocess.Popen([sys.argv[1], 'serve', '--config', f'{place}/conf', '--listen', '127.0.0.1:0', '--data-dir', f'{place}/data', '--workers', '2'],
                                   stdout=subprocess.PIPE, stderr=log)
    line = service.stdout.readline().decode()
    return service, int(line.rsplit(':', 1)[1]) if ':' in line else 0


def main():
    place = tempfile.mkdtemp(prefix='jobmill-kept-')
    service, port = start(place, CONF)
    if not port:  # it knows no remote workers
        service.wait()
        service, port = start(place, '')

    def post(path, body, headers=None):
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
        text = body if isinstance(body, str) else json.dumps(body)
        connection.request('POST', path, text, headers or {})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        if answer.status >= 500:
            sys.exit(f'make: {path}: {answer.status} {told}')
        if answer.status >= 300:
            print(f'make: left out: {path}: {answer.status} {told.get("detail")}', file=sys.stderr)
        return told

    try:
        post('/v1/jobs?wait=30', {'task': 'noop', 'tags': ['kept', 'done']})
        post('/v1/jobs?wait=30', {'task': 'echo', 'tags': ['kept'], 'input': {'text': 'k' * 3000}}, {'Idempotency-Key': 'kept-key'})
        post('/v1/jobs?wait=30', {'task': 'echo', 'input': [1, 2, {'a': 'ü'}]})
        post(f"/v1/jobs/{post('/v1/jobs', {'task': 'noop', 'delay': 86400})['id']}/cancel", '')
        post('/v1/jobs', {'task': 'noop', 'delay': 86400, 'priority': 7, 'tags': ['later']})
        group = post('/v1/jobs/batch?wait=30', {'jobs': [{'task': 'echo', 'input': i} for i in range(3)]})
        ran = post('/v1/jobs', {'task': 'sleep', 'tags': ['ran'], 'input': {'seconds': 600}, 'max_attempts': 2})
        post('/v1/jobs', {'task': 'noop', 'tags': ['child'], 'depends_on': [ran['id']]})
        post('/v1/jobs?wait=30', {'task': 'noop', 'tags': ['after-group'], 'depends_on': [group['id']]})
        post('/v1/schedules', {'name': 'kept', 'cron': '0 3 * * *', 'job': {'task': 'noop'}})
        post('/v1/jobs', {'task': 'echo', 'input': {'u': 1}, 'delay': 86400, 'unique': {'by': 'input'}})
        post('/v1/jobs', {'task': 'far', 'tags': ['far']})
        post('/v1/leases', {'tasks': ['far'], 'wait': 10, 'duration': 60})
        post('/v1/jobs/batch?wait=30', '{"task":"noop","tags":["line"]}\n' * 2, {'Content-Type': 'application/x-ndjson', 'Idempotency-Key': 'kept-lines'})
    finally:
        service.send_signal(signal.SIGKILL)
        service.wait()
        service.stdout.close()
    database = sqlite3.connect(f'{place}/data/jobmill.db')
    version = database.execute('PRAGMA user_version').fetchone()[0]
    had = {row[0] for row in database.execute('SELECT version FROM migrations')}
    steps = {int(name[:4]) for name in os.listdir(STEPS)}
    lacks = ''.join(f', but without step {step},' for step in sorted(steps - had) if step < version)
    print(f'-- What a service with schema {version}{lacks} left when it was killed.')
    for name in ('application_id', 'auto_vacuum', 'user_version'):
        print(f'PRAGMA {name} = {database.execute(f"PRAGMA {name}").fetchone()[0]};')
    print('\n'.join(database.iterdump()))
    database.close()
    shutil.rmtree(place)


if __name__ == '__main__':
    main()
