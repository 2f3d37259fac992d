"""contract_service.py - api.yaml read, and a service whose answers are held against it: what contract.py's parts share."""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import yaml
from jsonschema import Draft202012Validator, RefResolver

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPEC = yaml.safe_load(open(f'{ROOT}/api.yaml', encoding='utf-8'))
NOBODY = '01890000-0000-7000-8000-000000000000'  # an id that no job has
failures = []


def check(ok, what):
    if not ok:
        failures.append(what)
        print('FAIL', what)


def resolve(node):
    while isinstance(node, dict) and '$ref' in node and node['$ref'].startswith('#/'):
        target = SPEC
        for part in node['$ref'][2:].split('/'):
            target = target[part.replace('~1', '/').replace('~0', '~')]
        node = target
    return node


def validator(schema):
    return Draft202012Validator(schema, resolver=RefResolver('', SPEC))


def operations():
    for path, item in SPEC['paths'].items():
        for method in ('get', 'post', 'put', 'delete', 'patch'):
            if method in item:
                yield method.upper(), path, item, item[method]


class Service:
    def __init__(self, binary):
        self.dir = tempfile.mkdtemp(prefix='jobmill-contract-')
        self.log = open(f'{self.dir}/log', 'wb')
        with open(f'{self.dir}/conf', 'w', encoding='utf-8') as conf:
            conf.write('[task far]\nkind = remote\n[task cat]\ncommand = cat - {input.x}\ninput = raw\nresult = text\n')
        self.process = subprocess.Popen(
            [binary, 'serve', '--config', f'{self.dir}/conf', '--listen', '127.0.0.1:0', '--data-dir', f'{self.dir}/data', '--workers', '2'],
            stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        found = re.fullmatch(r'listening on http://127\.0\.0\.1:(\d+)\n', line)
        if not found:
            self.stop()
            sys.exit(f'no service: {line!r}; {open(self.dir + "/log").read() if os.path.exists(self.dir) else ""}')
        self.port = int(found.group(1))
        self.seen = set()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            check(False, 'the service ends after SIGTERM')
        check(self.process.returncode == 0, f'the service ends in good order: {self.process.returncode}')
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def ask(self, method, target, body=None, headers=None):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=90)
        connection.request(method, target, body=body.encode() if isinstance(body, str) else body, headers=headers or {})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, answer.headers, data

    def call(self, want, method, pattern, target, body=None, headers=None):
        """Asks, and checks the answer against the contract's row for (method, pattern)."""
        status, got, data = self.ask(method, target, body, headers)
        where = f'{method} {target} -> {status}'
        check(status == want, f'{where}, not {want}: {data[:300]!r}')
        self.seen.add((method, pattern, str(status)))
        op = SPEC['paths'][pattern][method.lower()]
        if str(status) not in op['responses']:
            check(False, f'{where}: api.yaml does not have this status')
            return got, None
        response = resolve(op['responses'][str(status)])
        known = {h.lower() for h in response.get('headers', {})}
        always = {'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'referrer-policy': 'no-referrer',
                  'cross-origin-resource-policy': 'same-origin'}
        for name, value in always.items():
            check(got[name] == value, f'{where}: {name}')
        general = {'date', 'content-type', 'content-length', 'connection', 'cache-control', 'allow',
                   'content-disposition', 'content-security-policy', 'x-request-id'} | always.keys()
        for name in got:
            check(name.lower() in known | general, f'{where}: the header {name} is in api.yaml')
        check(re.fullmatch(r'[\w.:/+=@-]{1,64}', got['X-Request-Id'] or ''), f'{where}: X-Request-Id')
        return got, self.check_body(where, response, got, data)

    @staticmethod
    def check_body(where, response, headers, data):
        content = response.get('content')
        if content is None:
            check(data == b'', f'{where}: no body')
            return None
        kind = headers['Content-Type']
        check(kind in content or '*/*' in content, f'{where}: type {kind} is in api.yaml')
        if not kind or 'json' not in kind or where.endswith(' 206'):
            return data
        if kind == 'application/x-ndjson':
            values = [json.loads(line) for line in data.splitlines()]
            for error in (e for v in values for e in validator(content[kind]['schema']).iter_errors(v)):
                check(False, f'{where}: {error.message}')
            return values
        value = json.loads(data)
        schema = content.get(kind, content.get('*/*'))['schema']
        for error in validator(schema).iter_errors(value):
            check(False, f'{where}: {"/".join(map(str, error.path))}: {error.message}')
        if kind == 'application/problem+json':
            check(value.get('request_id') == headers['X-Request-Id'], f'{where}: request_id is the X-Request-Id')
            check(value['status'] == int(where.rsplit(' ', 1)[1]), f'{where}: status in the body')
            check(f'`{value["code"]}`' in response['description'],
                  f'{where}: api.yaml names the code {value["code"]}')
        return value
