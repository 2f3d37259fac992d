#!/usr/bin/env python3
"""lines.py JOBMILL [--lines N] - N jobs in one request, a line each, with a key: cut off by a kill in the middle, sent again, and again.

All are there once, in their order, and the service's memory does not grow with them.
"""
import argparse
import atexit
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time


class Service:
    def __init__(self, binary):
        self.binary, self.dir = binary, tempfile.mkdtemp(prefix='jobmill-lines-')
        self.start()
        atexit.register(lambda: self.process.poll() is None and self.process.kill())

    def start(self):
        with open(f'{self.dir}/log', 'ab') as log:
            self.process = subprocess.Popen([self.binary, 'serve', '--listen', '127.0.0.1:0', '--data-dir', f'{self.dir}/data', '--workers', '2', '--body-timeout', '3600'],
                                            stdout=subprocess.PIPE, stderr=log)
        self.port = int(self.process.stdout.readline().decode().rsplit(':', 1)[1])

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=600)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, json.loads(data), answer.headers

    def end(self, sig):
        self.process.send_signal(sig)
        self.process.wait(120)
        self.process.stdout.close()

    def peak(self):
        with open(f'/proc/{self.process.pid}/status', encoding='utf-8') as f:
            return int(re.search(r'VmHWM:\s+(\d+)', f.read())[1]) / 1024


def lines(first, end, then=None):
    for at in range(first, end, 1000):
        if then:
            then(at)
        yield ''.join(f'{{"task":"echo","input":{i}}}\n' for i in range(at, min(at + 1000, end))).encode()


def must(ok, what):
    if not ok:
        sys.exit(f'lines: {what}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('binary')
    parser.add_argument('--lines', type=int, default=1000000)
    args = parser.parse_args()
    n, headers = args.lines, {'Content-Type': 'application/x-ndjson', 'Idempotency-Key': 'all'}
    service = Service(args.binary)
    service.ask('POST', '/v1/tasks/echo/pause')
    idle = service.peak()

    def kill(at):
        if at >= n // 2:
            while service.ask('GET', '/v1/stats')[1]['jobs']['queued'] == 0:
                time.sleep(0.01)
            service.end(signal.SIGKILL)
            raise ConnectionError
    try:
        service.ask('POST', '/v1/jobs/batch', lines(0, n, kill), headers)
        must(False, 'the service was to die')
    except (OSError, http.client.HTTPException):
        pass
    service.start()
    kept = service.ask('GET', '/v1/stats')[1]['jobs']['queued']
    must(0 < kept <= n // 2, f'{kept} lines are kept of {n // 2} that were sent')
    status, group, _ = service.ask('POST', '/v1/jobs/batch', lines(0, n), headers)
    must(status == 202 and group['total'] == n, f'{status} {group}')
    status, again, got = service.ask('POST', '/v1/jobs/batch', lines(0, n), headers)
    must(status == 202 and again['id'] == group['id'] and got['Idempotency-Replayed'] == 'true' and again['total'] == n, f'{status} {again}')
    peak = service.peak()
    must(service.ask('GET', '/v1/stats')[1]['jobs']['queued'] == n, 'all are there once')
    path, before, seen = f'/v1/jobs?group={group["id"]}&limit=1000', None, 0
    for _ in range(5):  # newest first
        _, page, _ = service.ask('GET', path)
        seen += len(page['jobs'])
        ids = [j['id'] for j in page['jobs']]
        must(ids == sorted(ids, reverse=True) and (before is None or ids[0] < before), 'in their order')
        before, path = ids[-1], page['next']
        if not path:
            break
    must(peak - idle < 96, f'{idle:.0f} MiB idle, {peak:.0f} MiB at most')
    service.end(signal.SIGTERM)
    shutil.rmtree(service.dir)
    print(f'lines: {n} jobs in one request, cut off by a kill with {kept} kept, sent again twice: {n} jobs; {idle:.0f} MiB idle, {peak:.0f} MiB at most')


if __name__ == '__main__':
    main()
