#!/usr/bin/env python3
"""roundtrip.py JOBMILL [--documents N] [--seed S] - N random JSON documents, written in every way that JSON allows, go through the task `echo`:
what comes back as the job's input, as its result and within its group's results is byte for byte what was sent.

They come as inputs of batches, as lines, and as bodies of their own; each tenth batch is read once more after the service was killed.
"""
import argparse
import atexit
import http.client
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

BATCH = 200
CLIENTS = 2
NAMES = ('a', 'b', 'input', 'task', 'ü', '\U0001f600', '', '\\u0061', '\\ud83d\\ude00', 'a\\"b', '\\\\', '\\/', '0', '__proto__')
SPACES = ('', '', '', '', ' ', '  ', '\t', '\r', '\n', ' \n\t', '\r\n')
ESCAPES = ('\\n', '\\t', '\\b', '\\f', '\\r', '\\"', '\\\\', '\\/', '\\u0001', '\\u001f', '\\u00e9', '\\u00E9', '\\u2028', '\\ud83d\\ude00', '\\uD834\\uDD1E', '\\uffff')


class Documents:
    """Text, not values: two ways to write one value are two documents. None has U+0000, which is refused."""

    def __init__(self, rng, lines):
        self.rng, self.spaces = rng, [s for s in SPACES if not lines or ('\n' not in s and '\r' not in s)]

    def space(self):
        return self.rng.choice(self.spaces)

    def number(self):
        rng = self.rng
        kind = rng.randrange(6)
        if kind == 0:
            return rng.choice(('0', '-0', '-0.0', '0e0', '0E+00', '1e-400', '1.7976931348623157e308', '5e-324', '9007199254740993', '9223372036854775807',
                               '9223372036854775808', '-9223372036854775809', '18446744073709551616', '0.1', '1.0', '1.00', '1E5', '1e+05', '100000000000000000000000'))
        if kind == 1:
            return str(rng.getrandbits(rng.randrange(1, 120)) * rng.choice((1, -1)))
        if kind == 2:
            text = repr(struct.unpack('<d', rng.randbytes(8))[0])
            return text if re.fullmatch(r'-?\d.*', text) else '0'
        if kind == 3:
            digits = ''.join(rng.choice('0123456789') for _ in range(rng.randrange(1, 30)))
            return f'{rng.choice(("", "-"))}{rng.randrange(1000)}.{digits}{rng.choice(("", "", "e1", "E-07", "E+0"))}'
        return str(rng.randrange(-1000, 1000))

    def character(self):
        rng = self.rng
        kind = rng.randrange(8)
        if kind == 0:
            return rng.choice(ESCAPES)
        if kind == 1:
            return f'\\u{rng.randrange(1, 0xd800):04{rng.choice("xX")}}'
        if kind == 2:
            at = rng.randrange(0x80, 0x10f800)
            return chr(at if at < 0xd800 else at + 0x800)
        at = rng.randrange(0x20, 0x80)
        return chr(at) if chr(at) not in '"\\' else 'x'

    def string(self):
        longest = 20 if self.rng.random() < 0.99 else 5000
        return '"' + ''.join(self.character() for _ in range(self.rng.randrange(longest))) + '"'

    def value(self, depth):
        rng = self.rng
        kind = rng.randrange(8 if depth > 0 else 5)
        if kind == 0:
            return rng.choice(('null', 'true', 'false'))
        if kind < 3:
            return self.number()
        if kind < 5:
            return self.string()
        many = rng.choice((0, 1, 2, 3, 5))
        if kind == 5:
            return '[' + (','.join(self.space() + self.value(depth - 1) + self.space() for _ in range(many)) or self.space()) + ']'
        names = rng.sample(NAMES, many)
        if '\\u0061' in names and 'a' in names:
            names.remove('a')  # the same name, which a document may hold once
        if '\\ud83d\\ude00' in names and '\U0001f600' in names:
            names.remove('\U0001f600')
        return '{' + (','.join(f'{self.space()}"{n}"{self.space()}:{self.space()}{self.value(depth - 1)}{self.space()}' for n in names) or self.space()) + '}'

    def document(self):
        if self.rng.random() < 0.01:
            deep = self.rng.randrange(1, 30)
            return ('[' * deep + self.value(1) + ']' * deep).encode()
        return self.value(5).encode()


class Service:
    def __init__(self, binary):
        self.binary, self.dir = os.path.abspath(binary), tempfile.mkdtemp(prefix='jobmill-roundtrip-')
        self.start()
        atexit.register(lambda: self.process.poll() is None and self.process.kill())

    def start(self):
        with open(f'{self.dir}/log', 'ab') as log:
            self.process = subprocess.Popen([self.binary, 'serve', '--listen', '127.0.0.1:0', '--data-dir', f'{self.dir}/data', '--workers', '2'],
                                            stdout=subprocess.PIPE, stderr=log)
        line = self.process.stdout.readline().decode()
        if 'listening' not in line:
            sys.exit(f'roundtrip: the service did not start; see {self.dir}/log')
        self.port = int(line.rsplit(':', 1)[1])

    def end(self, sig):
        self.process.send_signal(sig)
        self.process.wait(60)
        self.process.stdout.close()


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection('127.0.0.1', port, timeout=120)

    def ask(self, method, path, body=None, kind=None):
        self.connection.request(method, path, body, {'Content-Type': kind} if kind else {})
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status not in (200, 202):
            raise ValueError(f'{method} {path}: {answer.status} {data[:500]} for {(body or b"")[:500]}')
        return data


def ended(client, group):
    told = json.loads(client.ask('GET', f'/v1/groups/{group}?wait=60'))
    if not told['done'] or told['counts']['succeeded'] != told['total']:
        raise ValueError(f'group {group}: {told}')


def send(client, documents, way):
    """-> the group, or None, and the ids in order."""
    if way == 'raw':
        return None, [json.loads(client.ask('POST', '/v1/tasks/echo/jobs?wait=60', d, 'application/json'))['id'] for d in documents]
    if way == 'lines':
        body = b''.join(b'{"task":"echo","input":' + d + b'}\n' for d in documents)
        group = json.loads(client.ask('POST', '/v1/jobs/batch', body, 'application/x-ndjson'))
        ended(client, group['id'])
        return group['id'], None
    body = b'{"jobs":[' + b','.join(b'{"input": ' + d + b' ,"task":"echo"}' for d in documents) + b']}'
    group = json.loads(client.ask('POST', '/v1/jobs/batch', body, 'application/json'))
    ended(client, group['id'])
    return group['id'], [j['id'] for j in group['jobs']]


def results_of(client, group):
    """All pages of the group's results: the bytes, and the ids in order."""
    path, pages, ids = f'/v1/groups/{group}/results', [], []
    while path:
        page = client.ask('GET', path)
        told = json.loads(page)
        pages.append(page)
        ids += [r['id'] for r in told['results']]
        path = told['next']
    return b''.join(pages), ids


def compare(client, documents, group, ids):
    if group:
        text, order = results_of(client, group)
        if len(order) != len(documents) or (ids and order != ids):
            raise ValueError(f'group {group}: {len(order)} results for {len(documents)} documents, or in another order')
        ids, at = order, 0
        for ident, document in zip(ids, documents):
            at = text.find(ident.encode(), at)
            field = text.find(b'"result":', at) + 9
            if text[field:field + len(document)] != document:
                raise ValueError(f'group {group}, job {ident}: sent {document!r}, in the results {text[field:field + len(document)]!r}')
    for ident, document in zip(ids, documents):
        for part in ('input', 'result'):
            got = client.ask('GET', f'/v1/jobs/{ident}/{part}')
            if got != document:
                raise ValueError(f'job {ident}: sent {document!r}, its {part} is {got!r}')
    shown = client.ask('GET', f'/v1/jobs/{ids[-1]}')
    if b'"result":' + documents[-1] not in shown:
        raise ValueError(f'job {ids[-1]}: sent {documents[-1]!r}, the job is {shown!r}')
    return ids


def work(port, seed, batches, kept, told):
    rng, client, bytes_sent = random.Random(seed), Client(port), 0
    try:
        for batch in range(batches):
            way = ('batch', 'lines', 'batch', 'raw')[batch % 4]
            maker = Documents(rng, way == 'lines')
            documents = [maker.document() for _ in range(BATCH)]
            group, ids = send(client, documents, way)
            ids = compare(client, documents, group, ids)
            bytes_sent += sum(map(len, documents))
            if batch % 10 == 0 and len(kept) < 100:
                kept.append((documents, group, ids))
        told.append(bytes_sent)
    except Exception as error:  # told by the main thread
        told.append(error)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('binary')
    parser.add_argument('--documents', type=int, default=100000)
    parser.add_argument('--seed', type=int, default=int(time.time()))
    args = parser.parse_args()
    print(f'roundtrip: seed {args.seed}', flush=True)
    service, kept, told = Service(args.binary), [], []
    batches = max(4, args.documents // BATCH // CLIENTS)
    threads = [threading.Thread(target=work, args=(service.port, args.seed * CLIENTS + i, batches, kept, told)) for i in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for t in told:
        if isinstance(t, Exception):
            sys.exit(f'roundtrip: {t!r}')
    service.end(signal.SIGKILL)
    service.start()
    client = Client(service.port)
    for documents, group, ids in kept:
        compare(client, documents, group, ids)
    service.end(signal.SIGTERM)
    shutil.rmtree(service.dir)
    print(f'roundtrip: {batches * CLIENTS * BATCH} documents, {sum(told) / 1e6:.1f} MB: each came back byte for byte as input and as result; '
          f'{len(kept) * BATCH} of them again after a kill')


if __name__ == '__main__':
    main()
