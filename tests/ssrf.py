#!/usr/bin/env python3
"""ssrf.py JOBMILL - callback_urls that name, in every way that there is, an address that must not be called.

In a network of its own, where every address is this machine's: a receiver on all of them notes for which one a
connection came. Run with nothing allowed, no connection may come for an address that is not public; run with
everything allowed, the same URLs do reach the receiver, so the first run shows something.
"""
import argparse
import atexit
import http.client
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ALL = '0.0.0.0/0, ::/0'
HOP = '127.77.0.1'  # a receiver that may be called, and that sends on elsewhere
HOSTS = '127.0.0.1 localhost inside.test\n::1 inside6.test\n169.254.169.254 metadata.test\n10.0.0.7 Ten.test\n'

V4 = ('0.0.0.0 0.1.2.3 10.0.0.0 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.0.0.53 127.1.1.1 127.255.255.254 169.254.0.1 '
      '169.254.169.254 172.16.0.1 172.20.1.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 '
      '192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 240.0.0.1 250.1.1.1 224.0.0.1 255.255.255.255').split()
V6 = (':: ::1 ::2 ::ffff fe80::1 febf::1 fec0::1 fc00::1 fd00::1 fdff:ffff::1 2001:db8::1 2001::1 2001:10::1 2002::1 2002:7f00:1:: 2002:a00:1:: '
      '100::1 64:ff9b:1::1 ::127.0.0.1 ::10.0.0.1 3fff::1 5f00::1 ff02::1 ff05::2').split()
NAMES = ['localhost', 'LOCALHOST', 'localhost.', 'inside.test', 'INSIDE.test', 'inside.test.', 'inside6.test', 'metadata.test', 'ten.test']
PUBLIC = ['93.184.216.34', '8.8.8.8', '[2606:4700:4700::1111]']
NOT_TAKEN = ['file:///etc/passwd', 'ftp://10.0.0.1/', 'gopher://127.0.0.1:25/_x', 'dict://127.0.0.1:11211/x', 'ldap://127.0.0.1/', 'http:/127.0.0.1/', '//127.0.0.1/',
             'http://', 'http://93.184.216.34@127.0.0.1/', 'http://user:pw@127.0.0.1/', 'http://127.0.0.1\\@93.184.216.34/', 'http://127.0.0.1 /', 'http://127.0.0.1\r\nX: y/',
             'http://127.0.0.1\x00.example.org/', 'javascript:alert(1)', 'data:text/plain,x', 'unix:///run/x', 'http+unix://%2frun%2fx/', 'HTTP+x://10.0.0.1/', ' http://10.0.0.1/']


def spellings(text):
    """The same IPv4 address in the forms that resolvers and URL parsers take."""
    a = int(ipaddress.IPv4Address(text))
    b = text.split('.')
    yield text
    yield f'[::ffff:{text}]'
    yield f'[::ffff:{a >> 16:x}:{a & 0xffff:x}]'
    yield f'[64:ff9b::{text}]'
    if text in ('127.0.0.1', '10.0.0.1', '169.254.169.254', '192.168.0.1', '172.16.0.1', '100.64.0.1', '0.0.0.0'):
        yield str(a)
        yield hex(a)
        yield f'0{a:o}'
        yield '.'.join(f'0{int(x):o}' for x in b)
        yield '.'.join(hex(int(x)) for x in b)
        yield f'{b[0]}.{a & 0xffffff}'
        yield f'{b[0]}.{b[1]}.{a & 0xffff}'
        yield f'{text}.'


def vectors(port):
    for address in V4:
        for host in spellings(address):
            yield f'http://{host}:{port}/'
    for address in V6:
        yield f'http://[{address}]:{port}/'
    yield f'http://[fe80::1%25lo]:{port}/'
    yield f'http://[0:0:0:0:0:0:0:1]:{port}/'
    yield f'http://127.0.0.1:{port}#@93.184.216.34/'
    yield f'http://127.0.0.1:{port}?@93.184.216.34/'
    yield f'http://%31%32%37.0.0.1:{port}/'
    yield f'http://127.0.0.1:{port}/..//..'
    for name in NAMES:
        yield f'http://{name}:{port}/'
    for status in (301, 302, 303, 307, 308):  # sent on from where it may go
        for host in ('127.0.0.1', '10.0.0.1', '169.254.169.254', '[::1]', 'inside.test', '0x7f000001'):
            yield f'http://{HOP}:{port}/go/{status}/{host}'


def refused(service, urls):
    """Those that are not even taken."""
    return {u for u in urls if service.ask('POST', '/v1/jobs?validate_only=true', {'task': 'noop', 'callback_url': u})[0] == 400}


def literal(url):
    """Is its host an address, as it stands, that must not be called?"""
    try:
        return not public(re.match(r'http://\[?([^]/?#%]*?)\]?:\d+[/?#]', url)[1])
    except (TypeError, ValueError):
        return False


def public(address):
    a = ipaddress.ip_address(address)
    a = getattr(a, 'ipv4_mapped', None) or a
    if a.version == 6 and a in ipaddress.ip_network('64:ff9b::/96'):
        a = ipaddress.IPv4Address(int(a) & 0xffffffff)
    return str(a) in ('93.184.216.34', '8.8.8.8', '2606:4700:4700::1111') or str(a) == HOP


class Receiver(threading.Thread):
    """On all addresses; `came`: for which one, and what was asked for."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(('::', 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
        self.port, self.came = self.socket.getsockname()[1], []

    def run(self):
        while True:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with s:
            s.settimeout(20)
            head = b''
            try:
                while b'\r\n\r\n' not in head:
                    part = s.recv(65536)
                    if not part:
                        break
                    head += part
            except OSError:
                pass
            path = head.split(b' ')[1].decode('latin-1') if head.count(b' ') >= 2 else '?'
            self.came.append((s.getsockname()[0].split('%')[0].removeprefix('::ffff:'), path))
            going = re.match(r'/go/(\d+)/(.*)', path)
            status, more = (going[1], f'Location: http://{going[2]}:{self.port}/arrived\r\n') if going else ('503', '')
            try:
                s.sendall(f'HTTP/1.1 {status} x\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n'.encode())
            except OSError:
                pass


class Service:
    def __init__(self, binary, receiver, allow, delays='50ms'):
        self.dir = tempfile.mkdtemp(prefix='jobmill-ssrf-')
        self.binary, self.receiver, self.allow, self.delays = binary, receiver, allow, delays
        self.start(allow)
        atexit.register(lambda: self.process.poll() is None and self.process.kill())

    def start(self, allow):
        with open(f'{self.dir}/conf', 'w', encoding='utf-8') as f:
            f.write(f'[server]\nwebhook_delays = {self.delays}\nwebhook_allow = {allow}\nmax_batch_jobs = 100000\n')
        proxy = f'http://10.9.9.9:{self.receiver.port}/'
        env = dict(os.environ, http_proxy=proxy, HTTP_PROXY=proxy, https_proxy=proxy, all_proxy=proxy, ALL_PROXY=proxy, no_proxy='')
        self.log = open(f'{self.dir}/log', 'ab')
        self.process = subprocess.Popen([self.binary, 'serve', '--config', f'{self.dir}/conf', '--listen', '127.0.0.1:0', '--data-dir', f'{self.dir}/data', '--workers', '2'],
                                        stdout=subprocess.PIPE, stderr=self.log, env=env)
        self.port = int(self.process.stdout.readline().decode().rsplit(':', 1)[1])

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, json.loads(data) if data else None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.process.stdout.close()
        self.log.close()
        if status != 0:
            sys.exit(f'ssrf: the service ended with {status}')

    def end(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def call(self, urls):
        """A job for each URL, submitted while all of them may be called and run when no longer; waits until each call came to its end: url -> delivery."""
        self.stop()
        self.start(ALL)
        self.ask('POST', '/v1/tasks/noop/pause')
        _, group = self.ask('POST', '/v1/jobs/batch', {'jobs': [{'task': 'noop', 'callback_url': u} for u in urls]})
        ids = [j['id'] for j in group['jobs']]
        self.stop()
        self.start(self.allow)
        self.ask('POST', '/v1/tasks/noop/resume')
        ends, until = {}, time.monotonic() + 120
        for url, ident in zip(urls, ids):
            while True:
                _, job = self.ask('GET', f'/v1/jobs/{ident}?wait=10')
                delivery = job.get('deliveries', [{}])[0]
                if delivery.get('state') in ('delivered', 'given_up'):
                    break
                if time.monotonic() > until:
                    sys.exit(f'ssrf: the call of {url} does not come to an end: {delivery}')
                time.sleep(0.02)
            ends[url] = delivery
        return ends


def rebind_once(service, receiver, hosts):
    """How many calls came of a name that is public when it is asked for first, and is not when the call is tried again."""
    def came():
        return sum(1 for _, path in receiver.came if path == '/rebind')

    def say(address):
        with open(hosts, 'w', encoding='utf-8') as f:
            f.write(f'{HOSTS}{address} rebind.test\n')

    def state():
        return service.ask('GET', f'/v1/jobs/{job["id"]}')[1]['deliveries'][0]['state']

    before, until = came(), time.monotonic() + 60
    say('93.184.216.34')
    _, job = service.ask('POST', '/v1/jobs?wait=10', {'task': 'noop', 'callback_url': f'http://rebind.test:{receiver.port}/rebind'})
    while came() == before:
        if time.monotonic() > until:
            sys.exit('ssrf: the first call of rebind.test did not come')
        time.sleep(0.005)
    say('10.0.0.7')
    service.stop()  # what it knows of the name by now it may use for a minute
    service.start(HOP)
    while state() == 'waiting':
        if time.monotonic() > until:
            sys.exit('ssrf: the second call of rebind.test does not come to an end')
        time.sleep(0.02)
    return came() - before


def rebind(binary, receiver, hosts):
    """The name changes while the second call is awaited; where that came first, it is tried again."""
    service = Service(binary, receiver, HOP, '3s')
    for _ in range(5):
        if rebind_once(service, receiver, hosts) == 1 or not all(public(a) for a, _ in receiver.came):
            service.end()
            return
    sys.exit('ssrf: rebind.test was called twice each time: the test shows nothing')


def inside(binary):
    with tempfile.NamedTemporaryFile('w', suffix='.hosts', delete=False) as f:
        f.write(HOSTS + '93.184.216.34 mixed.test\n10.0.0.7 mixed.test\n')
    for command in (['ip', 'link', 'set', 'lo', 'up'], ['ip', 'route', 'add', 'local', '0.0.0.0/0', 'dev', 'lo'], ['mount', '--bind', f.name, '/etc/hosts']):
        subprocess.run(command, check=True)
    subprocess.run(['ip', '-6', 'route', 'add', 'local', '::/0', 'dev', 'lo'], check=False)
    receiver = Receiver()
    receiver.start()
    urls = list(vectors(receiver.port))

    service = Service(binary, receiver, HOP)
    taken = [u for u in NOT_TAKEN if service.ask('POST', '/v1/jobs', {'task': 'noop', 'callback_url': u})[0] != 400]
    at_once, literals = refused(service, urls), {u for u in urls if literal(u)}
    ends = service.call(urls + [f'http://mixed.test:{receiver.port}/'])
    rebind(binary, receiver, f.name)
    wrong = sorted({c for c in receiver.came if not public(c[0]) or c[1] == '/arrived'})
    delivered = [u for u, d in ends.items() if d['state'] == 'delivered']
    receiver.came.clear()
    open_ends = service.call([f'http://{host}:{receiver.port}/' for host in PUBLIC])
    reached = {a for a, _ in receiver.came}
    service.end()
    if at_once != literals or len(at_once) < 100:
        sys.exit(f'ssrf: refused at submission, but no plain address: {at_once - literals}; the other way round: {literals - at_once}')
    if taken or wrong or delivered:
        sys.exit(f'ssrf: taken {taken}; called {wrong}; delivered {delivered}')
    if len(reached) < 2:
        sys.exit(f'ssrf: only {reached} of {PUBLIC} was called: {open_ends}')

    receiver.came.clear()
    service = Service(binary, receiver, ALL)
    plain = [u for u in urls if '/go/' not in u]
    ends = service.call(plain)
    service.end()
    able = sum(1 for u in plain if ends[u].get('last_status') == 503)
    os.unlink(f.name)
    sent_on = len(urls) - len(plain)
    if able < 150:
        sys.exit(f'ssrf: only {able} of {len(plain)} URLs reach the receiver when all is allowed; the test shows too little')
    print(f'ssrf: {len(urls)} URLs ({len(at_once)} of them refused at submission, too) and {len(NOT_TAKEN)} that are no URL to call: no connection to an address that is not public. '
          f'With all allowed {able} of them reach the receiver; {sent_on} more are redirects from one that may be called, and none was followed')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('binary')
    parser.add_argument('--inside', action='store_true', help='in the network of its own')
    args = parser.parse_args()
    if args.inside:
        inside(args.binary)
        return
    own = ['unshare', '--user', '--map-root-user', '--net', '--mount']
    if subprocess.run(own + ['true'], check=False, capture_output=True).returncode != 0 and not os.environ.get('CI'):
        print('ssrf: NOT TRIED: no network of its own can be made here')
        return
    os.execvp('unshare', own + [sys.executable, os.path.abspath(__file__), os.path.abspath(args.binary), '--inside'])


if __name__ == '__main__':
    main()
