#!/usr/bin/env python3
"""docs.py JOBMILL FILE… - runs the `sh` blocks of the documents against a service of its own; curl fails where it is refused.

A line `<!-- refused -->` before a block: what it asks for is refused. `<!-- not run -->`: it needs what a test has not.
In the blocks the address is this service's; ID is a job that has ended, LEASE one that is held anew for each line; `jobmill serve` runs for a moment; /backups and /var/lib/jobmill are the test's own.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

binary = os.path.abspath(sys.argv[1])
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
work = tempfile.mkdtemp(prefix='jobmill-docs-')
for made in ('bin', 'build'):
    os.mkdir(f'{work}/{made}')
    os.symlink(binary, f'{work}/{made}/jobmill')
for shown in ('examples', 'clients', 'include', 'api.yaml'):
    os.symlink(f'{root}/{shown}', f'{work}/{shown}')
shutil.copy(f'{root}/examples/hello/hello.c', work)
with open(f'{work}/input.json', 'w', encoding='ascii') as given, open(f'{work}/picture.png', 'wb') as picture:
    given.write('{"limit":1000}')
    picture.write(b'\x89PNG')
service = subprocess.Popen([binary, 'serve', '--config', f'{root}/tests/docs.ini', '--listen', '127.0.0.1:0', '--data-dir', f'{work}/data', '--workers', '2'],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
address = service.stdout.readline().strip().replace('listening on ', '')


def post(path, body):
    with urllib.request.urlopen(urllib.request.Request(address + path, json.dumps(body).encode()), timeout=90) as answer:
        return json.load(answer)


def lease():
    post('/v1/jobs', {'task': 'far'})
    return post('/v1/leases', {'tasks': ['far'], 'wait': 60})['leases'][0]['id']


def prepare(block):
    block = re.sub(r'(http://)?(127\.0\.0\.1|localhost):8080', address, block)
    block = block.replace('/backups', work).replace('/var/lib/jobmill', f'{work}/data')
    block = re.sub(r'^(\S*jobmill serve [^#\n]*)', r'timeout -s TERM 2 \1 --listen 127.0.0.1:0 --data-dir ./other || [ $? = 124 ]', block, flags=re.M)
    if re.search(r'\bID\b', block):
        block = re.sub(r'\bID\b', post('/v1/jobs?wait=60', {'task': 'mandelbrot', 'input': {'width': 8, 'height': 8}})['id'], block)
    return re.sub(r'\bLEASE\b', lambda _: lease(), block)


def run(block, refused):
    curl = f'curl() {{ /usr/bin/curl -sS {"" if refused else "-f"} "$@"; }}\n'
    script = 'set -eu -o pipefail\nexec 3</dev/null 4>/dev/null\n' + curl + prepare(block)
    return subprocess.run(['bash', '-c', script], cwd=work, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, 'JOBMILL_SERVER': address, 'PATH': f'{work}/bin:' + os.environ['PATH']})


failures = blocks = 0
try:
    post('/v1/jobs', {'task': 'far'})  # for the first who asks for a lease
    for name in sys.argv[2:]:
        with open(name, encoding='utf-8') as document:
            text = document.read()
        for mark, block in re.findall(r'(?:^<!-- (refused|not run) -->\n)?^```sh\n(.*?)^```$', text, re.M | re.S):
            if mark == 'not run':
                continue
            blocks += 1
            done = run(block, mark == 'refused')
            told = 'problem' in done.stdout or '"status":4' in done.stdout
            if done.returncode != 0 or (mark == 'refused') != told:
                failures += 1
                print(f'FAIL {name}: {done.returncode}\n{block}\n{done.stdout}\n{done.stderr}')
finally:
    service.send_signal(signal.SIGTERM)
    try:
        service.wait(40)
    except subprocess.TimeoutExpired:
        service.kill()
    shutil.rmtree(work, ignore_errors=True)
print(f'docs: {blocks} blocks run, {failures} failures')
sys.exit(1 if failures or not blocks else 0)
