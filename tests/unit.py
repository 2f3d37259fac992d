#!/usr/bin/env python3
"""unit.py JOBMILL - examples/systemd/jobmill.service: how exposed it is by systemd's own measure, and whether the service, its workers and
a sandboxed program get by with the system calls that it allows (by strace; namespaces are refused to them, as the unit does).
"""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

UNIT = 'examples/systemd/jobmill.service'
MOST = '15'  # tenths: 1.5
REFUSED = {'unshare'}  # asked for once at start, to see what there is
CONF = """
[pool default]
workers = 2
nice = 5
[pool bound]
affinity = 0
[task shell]
command = /bin/sh -c 'echo "{\\"user\\": \\"$(id -u)\\"}"; sleep 0.1'
sandbox = basic
memory = 512MiB
cpu_time = 10s
file_size = 1MiB
open_files = 64
pool = bound
"""


def group(name):
    """The system calls of a group, and of the groups in it."""
    text = subprocess.run(['systemd-analyze', 'syscall-filter', name], capture_output=True, text=True, check=True).stdout
    calls = set()
    for line in text.splitlines()[1:]:
        word = line.strip()
        if word.startswith('@'):
            calls |= group(word)
        elif word and not word.startswith('#'):
            calls.add(word)
    return calls


def allowed():
    calls = set()
    with open(UNIT, encoding='ascii') as f:
        for line in f:
            m = re.match(r'SystemCallFilter=(~?)(.*)', line)
            for word in m.group(2).split() if m else ():
                some = group(word) if word.startswith('@') else {word}
                calls = calls - some if m.group(1) else calls | some
    return calls


def run(binary, base):
    """The calls that were made in a short life."""
    os.chmod(base, 0o755)
    shutil.copy(binary, f'{base}/jobmill')
    with open(f'{base}/conf', 'w', encoding='ascii') as f:
        f.write(CONF)
    os.mkdir(f'{base}/state', 0o700)
    trace = f'{base}/state/trace'
    as_user = []
    if os.geteuid() == 0:
        as_user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all']
        os.chown(f'{base}/state', 65534, 65534)
    command = as_user + ['strace', '-f', '-qq', '-o', trace, '-e', 'inject=unshare:error=EPERM', f'{base}/jobmill', 'serve', '--config', f'{base}/conf',
                         '--listen', '127.0.0.1:0', '--data-dir', f'{base}/state/data']
    with open(f'{base}/log', 'wb') as log:
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    try:
        line = p.stdout.readline().decode()
        if not line:
            with open(f'{base}/log', encoding='utf-8') as log:
                raise SystemExit('unit: no start:\n' + log.read())
        connection = http.client.HTTPConnection('127.0.0.1', int(line.rsplit(':', 1)[1]), timeout=60)
        for body in ({'task': 'shell'}, {'task': 'noop'}, {'task': 'primes', 'input': {'limit': 1000}}, {'task': 'echo', 'input': 'x' * 60000}):
            connection.request('POST', '/v1/jobs?wait=30', json.dumps(body))
            answer = json.loads(connection.getresponse().read())
            if answer.get('state') != 'succeeded':
                raise SystemExit(f'unit: {body["task"]}: {answer}')
        children = subprocess.run(['pgrep', '-P', str(p.pid)], capture_output=True, text=True, check=True).stdout.split()
        for sig in (signal.SIGHUP, signal.SIGTERM):
            os.kill(int(children[0]), sig)
        if p.wait(60) != 0:
            raise SystemExit(f'unit: the service ended with {p.returncode}')
    finally:
        if p.poll() is None:  # strace, which would leave the service alone
            for child in subprocess.run(['pgrep', '-P', str(p.pid)], capture_output=True, text=True, check=False).stdout.split():
                os.kill(int(child), signal.SIGKILL)
            p.kill()
            p.wait()
    with open(trace, encoding='utf-8', errors='replace') as f:
        return set(re.findall(r'^\d+ +([a-z_0-9]+)\(', f.read(), re.M))


def main():
    # without a word that is a fault, `verify` names what is not on this machine: the program and its page
    told = subprocess.run(['systemd-analyze', 'verify', '--man=no', UNIT], capture_output=True, text=True, check=False).stderr
    wrong = [line for line in told.splitlines() if 'jobmill.service' in line and 'is not executable' not in line]
    exposure = subprocess.run(['systemd-analyze', 'security', '--offline=true', f'--threshold={MOST}', UNIT], capture_output=True, text=True, check=False)
    print('unit: ' + exposure.stdout.strip().splitlines()[-1].lstrip('→ ').split(':', 1)[1].split()[0] + ' of at most 1.5 by systemd-analyze security')
    if exposure.returncode:
        wrong.append(f'it is more exposed than {MOST} tenths')
    base = tempfile.mkdtemp(prefix='jobmill-unit-')
    try:
        used = run(sys.argv[1], base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    may = allowed()
    wrong += [f'it needs the system call {call}, which the unit does not allow' for call in sorted(used - may - REFUSED)]
    print(f'unit: {len(used)} system calls used, {len(may)} allowed')
    for w in wrong:
        print(f'unit: {w}')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
