#!/usr/bin/env python3
"""metrics_check.py JOBMILL - what the tools of monitoring say of /metrics and of examples/monitoring: promtool
checks the exposition, the rules and their tests; a real Prometheus scrapes the service by the example's
configuration, and answers every question that a rule or the dashboard asks. docs/monitoring.md names every metric."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXAMPLES = f'{ROOT}/examples/monitoring'
JOBS = 25
LONG = 60
failures = []


def check(ok, what):
    if not ok:
        failures.append(what)
        print('FAIL', what)


def tool(*args, given=None):
    done = subprocess.run(['promtool', *args], input=given, capture_output=True, text=True, timeout=LONG)
    check(done.returncode == 0, f'promtool {" ".join(args)}: {done.stdout}{done.stderr}')
    return done.stdout + done.stderr


def ask(port, target, body=None, headers=None):
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=90)
    connection.request('POST' if body else 'GET', target, body=body, headers=headers or {})
    answer = connection.getresponse()
    data = answer.read().decode()
    connection.close()
    return answer.status, data


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(LONG)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        check(False, f'{process.args[0]} ends after SIGTERM')


def start_service(binary, directory):
    process = subprocess.Popen([binary, 'serve', '--listen', '127.0.0.1:0', '--data-dir', f'{directory}/data', '--workers', '2'],
                               stdout=subprocess.PIPE, stderr=open(f'{directory}/log', 'wb'), text=True)
    line = process.stdout.readline()
    found = re.fullmatch(r'listening on http://127\.0\.0\.1:(\d+)\n', line)
    if not found:
        end(process)
        sys.exit(f'no service: {line!r} {open(f"{directory}/log").read()}')
    return process, int(found.group(1))


def start_prometheus(directory, target):
    """On a port that is free now, with the example's configuration but for its target and its pace."""
    shutil.copy(f'{EXAMPLES}/jobmill.rules.yml', directory)
    text = open(f'{EXAMPLES}/prometheus.yml', encoding='utf-8').read()
    check('127.0.0.1:8080' in text, 'the example scrapes the default address')
    text = text.replace('127.0.0.1:8080', f'127.0.0.1:{target}').replace(' 15s', ' 5s')
    with open(f'{directory}/prometheus.yml', 'w', encoding='utf-8') as f:
        f.write(text)
    for _ in range(5):  # somebody may take the port in between
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            port = s.getsockname()[1]
        log = open(f'{directory}/prometheus.log', 'wb')
        process = subprocess.Popen(['prometheus', f'--config.file={directory}/prometheus.yml',
                                    f'--storage.tsdb.path={directory}/tsdb', f'--web.listen-address=127.0.0.1:{port}',
                                    '--log.level=warn'], stdout=log, stderr=log)
        until = time.monotonic() + LONG
        while process.poll() is None and time.monotonic() < until:
            try:
                if ask(port, '/-/ready')[0] == 200:
                    return process, port
            except OSError:
                pass
            time.sleep(0.1)
        end(process)
    sys.exit('no Prometheus: ' + open(f'{directory}/prometheus.log').read())


def query(port, expr):
    _, data = ask(port, '/api/v1/query?' + urllib.parse.urlencode({'query': expr}))
    answer = json.loads(data)
    check(answer['status'] == 'success', f'{expr}: {answer.get("error")}')
    return answer.get('data', {}).get('result', [])


def await_found(look, good):
    """Asks until it is good, or for long; what was found last."""
    until = time.monotonic() + LONG
    while not good(found := look()) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def await_value(port, expr, want):
    found = await_found(lambda: query(port, expr), lambda found: found and float(found[0]['value'][1]) == want)
    check(found and float(found[0]['value'][1]) == want, f'{expr} becomes {want}: {found}')


def groups_of(port):
    return json.loads(ask(port, '/api/v1/rules')[1])['data']['groups']


def is_quiet(rule):
    return rule['health'] == 'ok' and rule.get('state') in (None, 'inactive')


def dashboard_questions():
    board = json.load(open(f'{EXAMPLES}/grafana.json', encoding='utf-8'))
    names = {v['name'] for v in board['templating']['list']}
    ids = [p['id'] for p in board['panels']]
    check(len(ids) == len(set(ids)), 'the panels of the dashboard have ids of their own')
    for panel in board['panels']:
        for target in panel.get('targets', []):
            expr = target['expr'].replace('$__rate_interval', '1m')
            check(set(re.findall(r'\$(\w+)', expr)) <= names, f'{panel["title"]}: its variables are there')
            yield panel['title'], expr.replace('$job', 'jobmill').replace('$instance', '.*').replace('$task', '.*')


def names_of(text):
    """Every metric of the exposition, with what its # lines say."""
    return set(re.findall(r'^# TYPE (\S+) ', text, re.M))


def check_names(text):
    docs = open(f'{ROOT}/docs/monitoring.md', encoding='utf-8').read()
    told = names_of(text)
    for name in sorted(told):
        check(f'`{name}`' in docs, f'docs/monitoring.md names {name}')
    for name in sorted(set(re.findall(r'`((?:jobmill|process)_[a-z_]+)`', docs)) - told):
        check(False, f'docs/monitoring.md names {name}, which is not told')
    asked = open(f'{EXAMPLES}/jobmill.rules.yml', encoding='utf-8').read() + open(f'{EXAMPLES}/grafana.json', encoding='utf-8').read()
    for name in sorted(set(re.findall(r'\b(?:jobmill|process)_[a-z_]+', asked))):
        base = re.sub(r'_(bucket|sum|count)$', '', name)
        check(name in told or base in told, f'examples/monitoring ask for {name}, which is told')


def scrape(service, directory):
    for _ in range(JOBS):
        status, data = ask(service, '/v1/jobs?wait=60', '{"task":"noop"}')
        check(status == 200, f'a job: {status} {data}')
    status, text = ask(service, '/metrics')
    check(status == 200, f'/metrics: {status}')
    tool('check', 'metrics', given=text)
    check_names(text)
    prometheus, port = start_prometheus(directory, service)
    try:
        await_value(port, 'up{job="jobmill"}', 1)
        await_value(port, 'jobmill_jobs_finished_total{task="noop",outcome="succeeded"}', JOBS)
        await_value(port, 'jobmill_attempts_total{task="noop",outcome="succeeded"}', JOBS)
        await_value(port, 'jobmill_job_run_seconds_count{task="noop"}', JOBS)
        await_value(port, 'histogram_quantile(0.99, jobmill_job_run_seconds_bucket{task="noop"}) < bool 10', 1)
        await_value(port, 'count(jobmill_build_info)', 1)
        def missing():  # a scrape that came too late leaves none of them for a while
            kinds = {m['metric']['__name__'] for m in query(port, '{job="jobmill"}')}
            return {name for name in names_of(text) if name not in kinds and f'{name}_count' not in kinds}

        found = await_found(missing, lambda found: not found)
        check(not found, f'Prometheus has {sorted(found)}')
        meta = json.loads(ask(port, '/api/v1/targets/metadata?metric=jobmill_jobs_finished')[1])['data'] or \
            json.loads(ask(port, '/api/v1/targets/metadata?metric=jobmill_jobs_finished_total')[1])['data']
        check(meta and meta[0]['type'] == 'counter', f'Prometheus knows the types: {meta}')
        await_value(port, 'count(jobmill:job_wait_seconds:p95_5m) > bool 0', 1)
        for group in await_found(lambda: groups_of(port), lambda found: all(is_quiet(r) for g in found for r in g['rules'])):
            for rule in group['rules']:
                check(rule['health'] == 'ok', f'rule {rule["name"]}: {rule}')
                check(is_quiet(rule), f'nothing is wrong, and {rule["name"]} says so')
        for title, expr in dashboard_questions():
            if '!= "succeeded"' in expr or '> 0' in expr:
                query(port, expr)
            else:
                check(await_found(lambda: query(port, expr), bool), f'{title}: {expr} has an answer')  # some need two scrapes
    finally:
        end(prometheus)


def main():
    tool('check', 'rules', f'{EXAMPLES}/jobmill.rules.yml')
    tool('check', 'config', f'{EXAMPLES}/prometheus.yml')
    tool('test', 'rules', f'{EXAMPLES}/rules_test.yml')
    directory = tempfile.mkdtemp(prefix='jobmill-metrics-')
    try:
        process, port = start_service(sys.argv[1], directory)
        try:
            scrape(port, directory)
        finally:
            end(process)
        check(process.returncode == 0, f'the service ends in good order: {process.returncode}')
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f'metrics: {len(failures)} failures')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
