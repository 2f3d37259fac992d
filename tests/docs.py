#!/usr/bin/env python3
"""docs.py JOBMILL FILE… - runs the `sh` blocks of the documents against a service of its own; curl fails where it is refused. Where a `json`
block follows at once, what was printed has its keys, in its order; `…` stands for any that are left out. Then examples/jobmill.ini is tried.

A line `<!-- refused -->` before a block: what it asks for is refused. `<!-- not run -->`: it needs what a test has not.
In the blocks the address is this service's; ID is a job that has ended, LEASE one that is held anew for each line; `jobmill serve` runs for a moment; /backups and /var/lib/jobmill are the test's own.
What the README exports holds for its later blocks: it is for people who have not installed anything. Everywhere else jobmill is on the PATH.
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


def serve(config, data):
    started = subprocess.Popen([binary, 'serve', '--config', config, '--listen', '127.0.0.1:0', '--data-dir', data, '--workers', '2'],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return started, started.stdout.readline().strip().replace('listening on ', '')


def end(started):
    started.send_signal(signal.SIGTERM)
    try:
        started.wait(40)
    except subprocess.TimeoutExpired:
        started.kill()


service, address = serve(f'{root}/tests/docs.ini', f'{work}/data')


def post(path, body, at=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request((at or address) + path, data), timeout=90) as answer:
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


def keys(text):
    return ''.join((name or cut) + ' ' for name, cut in re.findall(r'"(\w+)":|(…)', text))


def shows(printed, shown):
    """Has what was printed the keys that are shown?"""
    return re.search(r'(^| )' + re.escape(keys(shown)).replace('…\\ ', r'(\w+ )*?'), keys(printed)) is not None


def run(block, refused, exported):
    curl = f'curl() {{ /usr/bin/curl -sS {"" if refused else "-f"} "$@"; }}\n'
    script = 'set -eu -o pipefail\nexec 3</dev/null 4>/dev/null\n' + curl + exported + prepare(block)
    return subprocess.run(['bash', '-c', script], cwd=work, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, 'JOBMILL_SERVER': address, 'PATH': ('' if exported else f'{work}/bin:') + os.environ['PATH']})


def try_example():
    """A word count and a thumbnail by examples/jobmill.ini."""
    other, at = serve(f'{root}/examples/jobmill.ini', f'{work}/example')
    try:
        counted = post('/v1/jobs?wait=60', {'task': 'wordcount', 'input': {'text': 'a b a'}}, at)
        drawn = post('/v1/jobs?wait=60', {'task': 'mandelbrot', 'input': {'width': 300, 'height': 300}}, at)
        with urllib.request.urlopen(f'{at}/v1/jobs/{drawn["id"]}/result', timeout=60) as answer:
            small = post('/v1/tasks/thumbnail/jobs?wait=60', answer.read(), at)
    finally:
        end(other)
    return counted.get('result') == {'a': 2, 'b': 1} and small.get('result_type') == 'image/png', f'{counted}\n{small}'


failures = blocks = 0
try:
    post('/v1/jobs', {'task': 'far', 'input': {'n': 1}})  # for the first who asks for a lease
    for name in sys.argv[2:]:
        with open(name, encoding='utf-8') as document:
            text = document.read()
        exported = ':\n' if os.path.basename(name) == 'README.md' else ''
        for mark, block, shown in re.findall(r'(?:^<!-- (refused|not run) -->\n)?^```sh\n(.*?)^```$(?:\n\n```json\n(.*?)^```$)?', text, re.M | re.S):
            if mark == 'not run':
                continue
            blocks += 1
            done = run(block, mark == 'refused', exported)
            if exported:
                exported += ''.join(re.findall(r'^export .*\n', block, re.M))
            told = 'problem' in done.stdout or '"status":4' in done.stdout
            if done.returncode != 0 or (mark == 'refused') != told or not shows(done.stdout, shown):
                failures += 1
                print(f'FAIL {name}: {done.returncode}\n{block}\n{done.stdout}\n{done.stderr}')
                if shown:
                    print(f'shown:\n{shown}')
    works, told = try_example()
    if not works:
        failures += 1
        print(f'FAIL examples/jobmill.ini:\n{told}')
finally:
    end(service)
    shutil.rmtree(work, ignore_errors=True)
print(f'docs: {blocks} blocks run, {failures} failures')
sys.exit(1 if failures or not blocks else 0)
