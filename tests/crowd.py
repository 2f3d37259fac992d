#!/usr/bin/env python3
"""crowd.py JOBMILL LOAD [--clients N] [--seconds S] - clients that hold connections and give nothing for them, while others work.

LOAD is bench/load. First 8 clients alone: whole jobs. Then the same beside N others, a fifth of each kind: silent from the start, idle after a
request, a head that comes byte by byte, a body that does, and a large answer that nobody reads. All of these must be cut in time. Then N that
speak, so that no connection is left, while the admin listener is asked; then 1,000 that say that 100 MiB will come, and 200 that send chunks
without end. What is told is measured, and depends on the machine; what fails the run is a working client that was refused, a dawdler that was
not cut, a probe without an answer, memory beyond what the settings allow, and a service that does not come back.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

DEADLINE = 3.0  # of head, body, idle and write, in the service
LATE = 30.0  # beyond a deadline, on a machine that does other things too
BIG = 4 << 20
KINDS = ('silent', 'idle', 'head', 'body', 'unread')
CONF = f"""
[task big]
command = /bin/sh -c 'head -c {BIG} /dev/zero | tr "\\0" x'
result = text
output_max = 16MiB
"""


class Service:
    def __init__(self, binary, *flags):
        self.dir = tempfile.mkdtemp(prefix='jobmill-crowd-')
        with open(f'{self.dir}/conf', 'w', encoding='ascii') as f:
            f.write(CONF)
        self.log = open(f'{self.dir}/log', 'wb')
        self.process = subprocess.Popen([binary, 'serve', '--config', f'{self.dir}/conf', '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0',
                                         '--data-dir', f'{self.dir}/data', '--workers', '2', *flags], stdout=subprocess.PIPE, stderr=self.log)
        self.port = int(self.process.stdout.readline().decode().rsplit(':', 1)[1])
        self.admin = self.admin_port()

    def admin_port(self):
        """It is told in the log, which is written by another thread."""
        until = time.monotonic() + LATE
        while time.monotonic() < until:
            with open(f'{self.dir}/log', encoding='utf-8') as f:
                found = re.search(r'probes and figures on http://127\.0\.0\.1:(\d+)', f.read())
            if found:
                return int(found.group(1))
            time.sleep(0.01)
        raise SystemExit('crowd: no admin listener')

    def ask(self, method, path, body=None, port=None):
        connection = http.client.HTTPConnection('127.0.0.1', port or self.port, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def memory(self):
        """KiB of the front end: resident now, and at most."""
        with open(f'/proc/{self.process.pid}/status', encoding='ascii') as f:
            status = f.read()
        return [int(status.split(name)[1].split()[0]) for name in ('VmRSS:', 'VmHWM:')]

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(90)
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        return status


def connect(port):
    s = socket.socket()
    s.connect(('127.0.0.1', port))
    s.setblocking(False)
    return s


def begin(kind, port, big):
    """The connection, and what is sent of it a byte at a time."""
    s = connect(port)
    if kind == 'unread':
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.send({'silent': b'', 'idle': b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n', 'head': b'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX: ',
            'body': b'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n',
            'unread': b'GET ' + big + b' HTTP/1.1\r\nHost: localhost\r\n\r\n'}[kind])
    return s


def dawdle(port, n, big, ready, ended, gone):
    """Another process: n connections, held until the service has cut them all."""
    poller, held = select.epoll(), {}
    for i in range(n):
        kind = KINDS[i % len(KINDS)]
        s = begin(kind, port, big)
        held[s.fileno()] = (kind, s, time.monotonic())
        poller.register(s, select.EPOLLRDHUP | select.EPOLLERR | select.EPOLLHUP)
    ready.set()
    lived, until, drop = {k: [] for k in KINDS}, time.monotonic() + DEADLINE + LATE, 0
    while any(kind != 'unread' for kind, _, _ in held.values()) and time.monotonic() < until:
        for fd, _ in poller.poll(0.2):
            kind, s, since = held.pop(fd)
            lived[kind].append(time.monotonic() - since)
            poller.unregister(fd)
            s.close()
        drop += 1
        if drop % 5 == 0:
            for kind, s, _ in held.values():
                if kind in ('head', 'body'):
                    try:
                        s.send(b'x')
                    except OSError:
                        pass
    ended.put(({k: (len(v), max(v, default=0)) for k, v in lived.items() if k != 'unread'}, sum(1 for k, _, _ in held.values() if k != 'unread')))
    gone.wait(LATE * 2)  # whoever does not read does not see the end either


def load(binary, port, seconds):
    out = subprocess.run([binary, str(port), '8', str(seconds), 'POST', '/v1/jobs?wait=60', '{"task":"noop"}'], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def tell(what, r):
    print(f'  {what:34} {r["rate"]:8.0f} jobs/s   p50 {r["p50_us"] / 1000:7.2f} ms   p99 {r["p99_us"] / 1000:7.2f} ms   refused {r["bad"]}')


def dawdlers(args, wrong):
    service = Service(args.binary, '--header-timeout', str(DEADLINE), '--body-timeout', str(DEADLINE), '--idle-timeout', str(DEADLINE),
                      '--write-timeout', str(DEADLINE))
    try:
        status, data = service.ask('POST', '/v1/jobs?wait=60', '{"task":"big"}')
        job = json.loads(data)
        if status != 200 or job['state'] != 'succeeded':
            raise SystemExit(f'crowd: no large result: {status} {data[:300]}')
        load(args.load, service.port, 1)
        alone = load(args.load, service.port, args.seconds)
        ready, gone, ended = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Queue()
        crowd = multiprocessing.Process(target=dawdle, args=(service.port, args.clients, f'/v1/jobs/{job["id"]}/result'.encode(), ready, ended, gone))
        before = service.descriptors() + 50  # what the threads open when they first read
        began = time.monotonic()
        crowd.start()
        if not ready.wait(60):
            wrong.append('not all could connect')
        beside = load(args.load, service.port, args.seconds)
        lived, left = ended.get(timeout=DEADLINE + LATE + 30)
        while service.descriptors() > before and time.monotonic() < began + args.seconds + DEADLINE + LATE:
            time.sleep(0.05)
        unread = time.monotonic() - began
        if service.descriptors() > before:
            wrong.append(f'{service.descriptors() - before} connections of those who do not read are held')
        gone.set()
        crowd.join(30)
        tell('8 clients alone', alone)
        tell(f'beside {args.clients} that dawdle', beside)
        print('  cut, the last after: ' + ', '.join(f'{n} {k} {t:.1f} s' for k, (n, t) in lived.items()) +
              f'; those who do not read all within {unread:.1f} s (limit {DEADLINE:.0f} s)')
        print(f'  memory of the front end: {service.memory()[1] / 1024:.0f} MiB at most')
        if left:
            wrong.append(f'{left} were not cut')
        if beside['bad'] or not beside['answers']:
            wrong.append(f'{beside["bad"]} of {beside["answers"]} working clients were refused')
    finally:
        if service.end() != 0:
            wrong.append('the service did not end well')


def flood(args, wrong):
    """No connection is left; the admin listener answers; afterwards everybody does."""
    room = args.clients // 2
    service = Service(args.binary, '--max-connections', str(room), '--max-waiting', str(room // 2), '--idle-timeout', '600', '--header-timeout', '600')
    held, took = [], []
    try:
        for _ in range(args.clients):  # more than the service takes, and than the kernel keeps waiting
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(('127.0.0.1', service.port))
            held.append(s)
        until = time.monotonic() + args.seconds
        while time.monotonic() < until:
            for path in ('/healthz', '/readyz', '/metrics'):
                began = time.monotonic()
                status, _ = service.ask('GET', path, port=service.admin)
                took.append(time.monotonic() - began)
                if status != 200:
                    wrong.append(f'{path} of the admin listener: {status}')
        for s in held:
            s.close()
        began = time.monotonic()
        status, _ = service.ask('GET', '/healthz')
        took.sort()
        print(f'  {args.clients} connections, room for {room}: {len(took)} probes and figures by the admin listener, p50 {statistics.median(took) * 1000:.1f} ms, '
              f'p99 {took[int(len(took) * 0.99)] * 1000:.1f} ms; the main one answers {time.monotonic() - began:.2f} s after they left')
        if status != 200:
            wrong.append(f'after the flood: {status}')
    finally:
        if service.end() != 0:
            wrong.append('the service did not end well')


def bodies(args, wrong):
    """Clients that each say 100 MiB, then some that send chunks: memory stays within body_memory and a little."""
    service = Service(args.binary, '--body-memory', '16MiB', '--body-timeout', '20')
    try:
        service.ask('POST', '/v1/jobs?wait=60', '{"task":"noop"}')
        load(args.load, service.port, 1)
        before = service.memory()[0]
        for what, most, head, piece, allowed in (
                ('a Content-Length of 100 MiB', 1000, b'Content-Length: 104857600', b'x' * 65536, 64 << 10),
                ('chunks without end', 200, b'Transfer-Encoding: chunked', b'10000\r\n' + b'x' * 65536 + b'\r\n', (64 + 16) << 10)):
            n, held = min(most, args.clients), []
            for _ in range(n):
                s = connect(service.port)
                s.send(b'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n' + head + b'\r\n\r\n')
                held.append(s)
            sent, refused, until = 0, 0, time.monotonic() + 20 + LATE
            while held and time.monotonic() < until:
                for s in list(held):
                    try:
                        sent += s.send(piece)
                    except BlockingIOError:
                        continue
                    except OSError:
                        refused += 1
                        held.remove(s)
                        s.close()
            refused += sum(1 for s in held if is_answered(s))
            status, _ = service.ask('POST', '/v1/jobs?wait=60', '{"task":"noop"}')
            rise = service.memory()[1] - before
            print(f'  {n} clients with {what}: {sent >> 20} MiB sent, {refused} cut or answered, memory rose by {rise / 1024:.0f} MiB at most')
            if rise > allowed:
                wrong.append(f'{what}: memory rose by {rise} KiB')
            if refused < n:
                wrong.append(f'{what}: {n - refused} were neither cut nor answered')
            if status != 200:
                wrong.append(f'{what}: another client got {status}')
            for s in held:
                s.close()
    finally:
        if service.end() != 0:
            wrong.append('the service did not end well')


def is_answered(s):
    try:
        said = s.recv(12)
        return said == b'' or said[:10] == b'HTTP/1.1 4'
    except BlockingIOError:
        return False
    except OSError:
        return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('binary', type=os.path.abspath)
    parser.add_argument('load')
    parser.add_argument('--clients', type=int, default=10000)
    parser.add_argument('--seconds', type=float, default=5)
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if args.clients + 200 > hard:
        args.clients = hard - 200
        print(f'crowd: {hard} descriptors are allowed: {args.clients} clients')
    wrong = []
    for part in (dawdlers, flood, bodies):
        print(f'{part.__name__}:')
        part(args, wrong)
    for w in wrong:
        print(f'crowd: {w}')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
