#!/usr/bin/env python3
"""smuggling.py JOBMILL - requests that hide another in themselves, sent as bytes to the real binary.

Each vector is data: a name, what must be answered, and the bytes, with a request of its own (a job with a
tag, or the pause of a task) hidden where another reader would see one. Afterwards no hidden job is there
and nothing is paused. The control vectors show that a request which is seen does leave its mark.

What must be answered: REFUSED, one 4xx or 501 and the end of the connection; CUT, the same, or no answer; or
how many requests are really in the bytes: so many answers below 500, and no more.
"""
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

REFUSED, CUT = 'refused', 'cut'
WAIT = 60.0  # seconds; a bound, not a measure
PAUSE = b'POST /v1/tasks/noop/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n'
VECTORS = []


def hidden(name):
    body = json.dumps({'task': 'noop', 'tags': [name]}).encode()
    return b'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body)


def add(name, expect, data):
    """HIDDEN in `data` is a submission with this vector's tag, PAUSE a pause, LEN the length of what follows the head."""
    data = data if isinstance(data, bytes) else data.encode('latin-1')
    data = data.replace(b'HIDDEN', hidden(name)).replace(b'PAUSE', PAUSE)
    at = data.find(b'\r\n\r\n')
    data = data.replace(b'LEN', b'%d' % (len(data) - at - 4))
    VECTORS.append((name, expect, data))


def head(lines, target='/v1/jobs', method='POST', version='HTTP/1.1', host='Host: localhost\r\n'):
    return f'{method} {target} {version}\r\n{host}{lines}\r\n'


NOOP = '{"task":"noop"}'  # 15 bytes
CHUNK = f'f\r\n{NOOP}\r\n'
TE = 'Transfer-Encoding: chunked\r\n'


def lengths_and_codings():
    add('cl-te', REFUSED, head('Content-Length: LEN\r\n' + TE) + '0\r\n\r\nHIDDEN')
    add('te-cl', REFUSED, head(TE + 'Content-Length: 4\r\n') + '9f\r\nHIDDEN\r\n0\r\n\r\n')
    add('cl0-te', REFUSED, head('Content-Length: 0\r\n' + TE) + '0\r\n\r\nPAUSE')
    for name, value in {
            'te-identity-after': 'chunked, identity', 'te-identity-before': 'identity, chunked', 'te-x': 'xchunked', 'te-prefix': 'chunkedx',
            'te-identity': 'identity', 'te-gzip': 'gzip, chunked', 'te-twice-in-one': 'chunked, chunked', 'te-quoted': '"chunked"',
            'te-semicolon': 'chunked;q=1', 'te-comma': 'chunked,', 'te-comma-first': ',chunked', 'te-vertical-tab': '\x0bchunked',
            'te-form-feed': 'chunked\x0c', 'te-nul': 'chunked\0', 'te-empty': '', 'te-high-byte': 'chunked\xa0', 'te-inner-space': 'chu nked'}.items():
        add(name, REFUSED, head(f'Transfer-Encoding: {value}\r\n') + '0\r\n\r\nHIDDEN')
        add(name + '-cl', REFUSED, head(f'Content-Length: LEN\r\nTransfer-Encoding: {value}\r\n') + '0\r\n\r\nPAUSE')
    for name, line in {
            'te-space-before-colon': 'Transfer-Encoding : chunked', 'te-tab-before-colon': 'Transfer-Encoding\t: chunked',
            'te-leading-space': ' Transfer-Encoding: chunked', 'te-folded': 'Transfer-Encoding:\r\n chunked', 'te-fold-in-other': 'X: a\r\n Transfer-Encoding: chunked',
            'te-nul-in-name': 'Transfer\0-Encoding: chunked', 'te-no-colon': 'Transfer-Encoding chunked',
            'te-double': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', 'te-double-same': 'Transfer-Encoding: chunked\r\nTransfer-encoding: chunked',
            'te-double-x': 'Transfer-Encoding: x\r\nTransfer-Encoding: chunked', 'te-after-bare-cr': 'X: a\rTransfer-Encoding: chunked',
            'te-after-bare-lf': 'X: a\nTransfer-Encoding: chunked', 'te-colon-first': ':Transfer-Encoding: chunked'}.items():
        add(name, REFUSED, head(f'Content-Length: LEN\r\n{line}\r\n') + '0\r\n\r\nHIDDEN')
    add('te-underscore', 1, head('Content-Length: LEN\r\nTransfer_Encoding: chunked\r\n') + '0\r\n\r\nHIDDEN')
    add('te-upper', 1, head('TRANSFER-ENCODING: CHUNKED\r\nConnection: close\r\n') + CHUNK + '0\r\n\r\n')
    add('te-tab-after-colon', 1, head('Transfer-Encoding:\tchunked\r\nConnection: close\r\n') + CHUNK + '0\r\n\r\nHIDDEN')
    add('te-old-version', REFUSED, head(TE, version='HTTP/1.0') + '0\r\n\r\nHIDDEN')
    add('te-old-version-keep', REFUSED, head('Connection: keep-alive\r\n' + TE, version='HTTP/1.0') + '0\r\n\r\nHIDDEN')
    for name, value in {
            'plus': '+15', 'minus': '-15', 'minus-one': '-1', 'hex': '0xf', 'comma-same': '15, 15', 'comma-other': '15, 0', 'comma-tight': '15,15',
            'space-inside': '1 5', 'letters': '15a', 'point': '15.0', 'exponent': '1e1', 'empty': '', 'overflow-64': '18446744073709551631',
            'overflow-32': '4294967311', 'overflow-63': '9223372036854775808', 'huge': '9' * 40, 'quoted': '"15"', 'vertical-tab': '\x0b15',
            'nul': '15\0', 'underscore': '1_5', 'zeros-many': '0' * 30 + '15', 'high-digit': '\xb9\xb5', 'semicolon': '15;0'}.items():
        add('cl-' + name, REFUSED, head(f'Content-Length: {value}\r\n') + NOOP + 'HIDDEN')
    add('cl-twice-same', REFUSED, head('Content-Length: 15\r\nContent-Length: 15\r\n') + NOOP + 'HIDDEN')
    add('cl-twice-other', REFUSED, head('Content-Length: 15\r\nContent-Length: LEN\r\n') + NOOP + 'HIDDEN')
    add('cl-twice-zero-first', REFUSED, head('Content-Length: 0\r\nContent-Length: LEN\r\n') + 'HIDDEN')
    add('cl-twice-zero-last', REFUSED, head('Content-Length: LEN\r\nContent-Length: 0\r\n') + 'HIDDEN')
    add('cl-space-before-colon', REFUSED, head('Content-Length : LEN\r\n') + 'HIDDEN')
    add('cl-folded', REFUSED, head('Content-Length: 1\r\n 5\r\n') + NOOP + 'HIDDEN')
    add('cl-after-bare-cr', REFUSED, head('X: a\rContent-Length: LEN\r\n') + 'HIDDEN')
    add('cl-leading-zeros', 1, head('Content-Length: 0015\r\nConnection: close\r\n') + NOOP + 'HIDDEN')
    add('cl-whole', 1, head('Content-Length: LEN\r\nConnection: close\r\n') + NOOP + 'HIDDEN')


def what_the_library_lets_through():
    """It reads chunks leniently, so nothing behind them is read; and it ends a target at a NUL byte."""
    for name, body in {
            'chunk-plain': CHUNK + '0\r\n\r\n', 'chunk-size-lf': f'f\n{NOOP}\r\n0\r\n\r\n', 'chunk-extension-cr': f'f;a\rb\r\n{NOOP}\r\n0\r\n\r\n',
            'chunk-data-lf': f'f\r\n{NOOP}\n0\r\n\r\n', 'chunk-last-lf': CHUNK + '0\n\n', 'chunk-last-size-lf': CHUNK + '0\n\r\n',
            'trailer-length': CHUNK + '0\r\nContent-Length: 5\r\n\r\n', 'trailer-coding': CHUNK + '0\r\nTransfer-Encoding: chunked\r\n\r\n',
            'trailer-host': CHUNK + '0\r\nHost: evil\r\n\r\n'}.items():
        add(name, 1, head(TE) + body + 'HIDDEN')
    for name, size in {'chunk-sign': '+f', 'chunk-minus': '-1', 'chunk-0x': '0xf', 'chunk-space': ' f', 'chunk-empty': '', 'chunk-words': 'zz',
                       'chunk-wraps': '1000000000000000f', 'chunk-2-64': '10000000000000000', 'chunk-short': 'd'}.items():
        add(name, CUT, head(TE) + f'{size}\r\n{NOOP}\r\n0\r\n\r\nHIDDEN')
    add('target-nul', REFUSED, head('Content-Length: 15\r\n', target='/v1/jobs\0') + NOOP + 'HIDDEN')
    add('target-nul-space', REFUSED, head('Content-Length: 15\r\n', target='/v1/jobs\0 /x') + NOOP + 'HIDDEN')
    add('lines-lf', REFUSED, head('Content-Length: 15\r\n').replace('\r\n', '\n') + NOOP + 'HIDDEN')
    add('head-two-lf', REFUSED, head('X: y\n\nHIDDEN', method='GET'))


add('control', 2, head('Content-Length: 15\r\n') + NOOP + 'HIDDEN')
lengths_and_codings()
what_the_library_lets_through()


class Service:
    def __init__(self, binary):
        self.dir = tempfile.mkdtemp(prefix='jobmill-smuggling-')
        self.log = open(f'{self.dir}/log', 'wb')
        self.process = subprocess.Popen([os.path.abspath(binary), 'serve', '--listen', '127.0.0.1:0', '--data-dir', f'{self.dir}/data', '--workers', '1'],
                                        stdout=subprocess.PIPE, stderr=self.log)
        self.port = int(self.process.stdout.readline().decode().rsplit(':', 1)[1])

    def ask(self, method, path, body=None):
        """One call of the API: its status and its JSON."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=WAIT)
        connection.request(method, path, body)
        answer = connection.getresponse()
        data = json.loads(answer.read())
        connection.close()
        return answer.status, data

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def answers(data):
    """The statuses in what came; a body is passed over by its length, so that nothing in one is taken for an answer."""
    found, closes = [], False
    while True:
        m = re.match(rb'HTTP/1\.[01] (\d{3})[^\r\n]*\r\n(.*?\r\n)??\r\n', data, re.S)
        if not m:
            return found, closes, data
        lines = (m.group(2) or b'').lower()
        length = re.search(rb'^content-length: *(\d+)', lines, re.M)
        size = int(length.group(1)) if length else 0
        if m.group(1) != b'100':
            found.append(int(m.group(1)))
            closes = b'connection: close' in lines
        data = data[m.end() + size:]


def send(port, expect, data):
    """What came back, and whether the other side ended the connection before this one did."""
    with socket.create_connection(('127.0.0.1', port), timeout=WAIT) as s:
        got, ended = b'', False
        try:
            s.sendall(data)
            while expect in (REFUSED, CUT) or len(answers(got)[0]) < expect:
                piece = s.recv(65536)
                if not piece:
                    ended = True
                    break
                got += piece
            s.shutdown(socket.SHUT_WR)
            while not ended:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except ConnectionError:
            ended = True
        except TimeoutError:
            pass
        return got, ended


def judge(port, vector):
    name, expect, data = vector
    got, ended = send(port, expect, data)
    statuses, closes, rest = answers(got)
    # the library's own page for a bad Content-Length comes behind its head twice; with the end of the connection
    if rest and not (expect in (REFUSED, CUT) and closes and ended and not re.search(rb'HTTP/1\.1 [^4]', got)):
        return f'{name}: what came is not an answer: {rest[:80]!r}'
    if expect in (REFUSED, CUT):
        refused = len(statuses) == 1 and (400 <= statuses[0] < 500 or statuses[0] == 501) and closes
        if ended and (refused or (expect == CUT and not statuses)):
            return None
        return f'{name}: must be refused and the connection ended: {statuses}{"" if closes else ", no Connection: close"}{"" if ended else ", left open"}'
    if len(statuses) == expect and all(s < 500 for s in statuses):
        return None
    return f'{name}: {expect} requests are in it, answered were {statuses}'


def main():
    service = Service(sys.argv[1])
    try:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            wrong = [w for w in pool.map(lambda v: judge(service.port, v), VECTORS) if w]
        # an answered submission comes after all that were taken before it
        status, _ = service.ask('POST', '/v1/jobs', NOOP)
        if status != 202:
            wrong.append(f'afterwards a plain submission is answered {status}')
        for name, _, data in VECTORS:
            seen = len(service.ask('GET', f'/v1/jobs?tag={name}')[1]['jobs'])
            if seen != (1 if name.startswith('control') else 0):
                wrong.append(f'{name}: {seen} hidden jobs ran')
        if service.ask('GET', '/v1/tasks/noop')[1]['paused']:
            wrong.append('a hidden request paused the task')
    finally:
        service.end()
    for w in wrong:
        print(w)
    print(f'smuggling: {len(VECTORS)} vectors, {len(wrong)} wrong')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
