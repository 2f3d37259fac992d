#!/usr/bin/env python3
"""docs.py JOBMILL FILE… - runs the `sh` blocks of the documents that say that they are run, against a service of its own."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

binary = os.path.abspath(sys.argv[1])
work = tempfile.mkdtemp(prefix='jobmill-docs-')
os.mkdir(f'{work}/bin')
with open(f'{work}/bin/curl', 'w', encoding='utf-8') as curl:  # what is refused fails
    curl.write('#!/bin/sh\nexec /usr/bin/curl -sSf "$@"\n')
os.chmod(f'{work}/bin/curl', 0o755)
service = subprocess.Popen([binary, 'serve', '--listen', '127.0.0.1:0', '--data-dir', f'{work}/data', '--workers', '2'],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
address = service.stdout.readline().strip().replace('listening on ', '')
failures = blocks = 0
try:
    for name in sys.argv[2:]:
        with open(name, encoding='utf-8') as document:
            text = document.read()
        for block in re.findall(r'^```sh\n(.*?)^```$', text, re.M | re.S):
            blocks += 1
            script = 'set -eu -o pipefail\n' + block.replace('http://127.0.0.1:8080', address)
            done = subprocess.run(['bash', '-c', script], cwd=work, capture_output=True, text=True, timeout=120,
                                  env={**os.environ, 'PATH': f'{work}/bin:' + os.environ['PATH']}, check=False)
            if done.returncode != 0:
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
