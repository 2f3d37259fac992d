"""contract_answers.py - requests to every address, right and wrong: each answer must be one that api.yaml allows."""
import json
import re
import time

from jsonschema import Draft202012Validator

from contract_service import NOBODY, ROOT, SPEC, check, operations


def live_jobs(s):
    jobs, job = '/v1/jobs', '/v1/jobs/{id}'
    headers, first = s.call(202, 'POST', jobs, jobs, '{"task":"primes","input":{"limit":1000},"tags":["a","b"]}')
    check(headers['Location'] == f'/v1/jobs/{first["id"]}', 'Location is the job')
    check(first['state'] == 'queued' and first['attempt'] == 0, 'the job as it was accepted')
    check(first['input'] == {'limit': 1000} and first['tags'] == ['a', 'b'], 'input and tags come back')
    at = headers['Location']
    headers, done = s.call(200, 'GET', job, at + '?wait=60')
    check(done['state'] == 'succeeded' and done['result'] == {'count': 168}, 'primes below 1000')
    s.call(304, 'GET', job, at, headers={'If-None-Match': headers['ETag']})
    s.call(200, 'GET', job, at, headers={'If-None-Match': '"other"'})
    headers, result = s.call(200, 'GET', job + '/result', at + '/result')
    check(result == {'count': 168}, 'the result alone')
    s.call(304, 'GET', job + '/result', at + '/result', headers={'If-None-Match': headers['ETag']})
    _, piece = s.call(206, 'GET', job + '/result', at + '/result', headers={'Range': 'bytes=1-7'})
    check(piece == b'"count"', f'a piece: {piece!r}')
    s.call(416, 'GET', job + '/result', at + '/result', headers={'Range': 'bytes=99-'})
    headers, _ = s.call(200, 'GET', job + '/input', at + '/input')
    s.call(206, 'GET', job + '/input', at + '/input', headers={'Range': 'bytes=0-', 'If-Range': headers['ETag']})
    s.call(416, 'GET', job + '/input', at + '/input', headers={'Range': 'bytes=99-'})
    s.call(304, 'GET', job + '/input', at + '/input', headers={'If-None-Match': headers['ETag']})
    logs = job + '/logs'
    headers, _ = s.call(200, 'GET', logs, at + '/logs?tail=10&follow=1&attempt=1&skip=1')
    check(headers['Content-Type'] == 'text/plain; charset=utf-8', 'logs are text')
    headers, _ = s.call(200, 'GET', logs, at + '/logs?follow=true', headers={'Accept': 'application/x-ndjson'})
    check(headers['Content-Type'] == 'application/x-ndjson', 'logs are lines of JSON')
    for wrong in ('tail=x', 'follow=x', 'attempt=0', 'skip=-1', 'x=1'):
        s.call(400, 'GET', logs, at + '/logs?' + wrong)
    s.call(404, 'GET', logs, f'/v1/jobs/{NOBODY}/logs')
    s.call(409, 'POST', job + '/cancel', at + '/cancel')
    headers, waited = s.call(200, 'POST', jobs, jobs, '{"task":"echo","input":[1.10,1e2]}', {'Prefer': 'wait=60'})
    check(headers['Preference-Applied'] == 'wait=60' and waited['state'] == 'succeeded', 'Prefer: wait')
    _, raw = s.call(200, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/sha256/jobs?wait=60&tag=x&tag=y&priority=3',
                    b'abc', {'Content-Type': 'text/plain'})
    check(raw['tags'] == ['x', 'y'] and raw['priority'] == 3 and raw['input'] == 'abc', 'raw parameters')
    form = '--B\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nabc\r\n--B\r\n' \
           'Content-Disposition: form-data; name="x"\r\n\r\n1\r\n--B--\r\n'
    kind = {'Content-Type': 'multipart/form-data; boundary=B'}
    _, raw = s.call(202, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/cat/jobs', form, kind)
    check(raw['parameters'] == {'x': '1'}, 'a form')
    s.call(400, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/noop/jobs', form, kind)
    s.call(400, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/noop/jobs', form[:-4], kind)
    s.call(202, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/noop/jobs?delay=100', b'\x00\x01')
    _, late = s.call(202, 'POST', jobs, jobs + '?wait=0.05', '{"task":"sleep","input":{"seconds":30}}')
    check(late['state'] in ('queued', 'running'), 'a wait that is too short')
    _, stopped = s.call(200, 'POST', job + '/cancel', f'/v1/jobs/{late["id"]}/cancel?wait=60')
    check(stopped['state'] == 'cancelled', 'a running job is stopped')
    s.call(409, 'GET', job + '/result', f'/v1/jobs/{planned(s)["id"]}/result')
    s.call(404, 'GET', job + '/result', f'/v1/jobs/{late["id"]}/result')
    s.call(200, 'POST', job + '/cancel', f'/v1/jobs/{planned(s)["id"]}/cancel')


def planned(s):
    _, made = s.call(202, 'POST', '/v1/jobs', '/v1/jobs', '{"task":"noop","delay":1000}')
    check(made['state'] == 'scheduled', 'a delayed job is scheduled')
    return made


def live_lives(s):
    """Retry, delete, groups, dependencies, uniqueness, bulk changes, pauses."""
    jobs, job, batch = '/v1/jobs', '/v1/jobs/{id}', '/v1/jobs/batch'
    _, bad = s.call(200, 'POST', jobs, jobs + '?wait=60', '{"task":"sleep","input":{"seconds":30},"timeout":0.05,"max_attempts":1}')
    check(bad['state'] == 'failed' and bad['error']['code'] == 'timeout', 'it takes too long')
    at = f'/v1/jobs/{bad["id"]}'
    _, again = s.call(200, 'POST', job + '/retry', at + '/retry?wait=60')
    check(again['state'] == 'failed' and again['attempt'] == 2, 'it fails again')
    _, whole = s.call(200, 'GET', job, at)
    check([a['number'] for a in whole['attempts']] == [1, 2] and all('error' in a for a in whole['attempts']), 'both attempts')
    s.call(200, 'POST', '/v1/tasks/{task}/pause', '/v1/tasks/sleep/pause')
    s.call(202, 'POST', job + '/retry', at + '/retry')
    s.call(200, 'POST', '/v1/tasks/{task}/resume', '/v1/tasks/sleep/resume')
    s.call(200, 'GET', job, at + '?wait=60')
    s.call(204, 'DELETE', job, at)
    s.call(404, 'DELETE', job, at)
    s.call(404, 'POST', job + '/retry', at + '/retry')
    s.call(409, 'DELETE', job, f'/v1/jobs/{planned(s)["id"]}')
    s.call(409, 'POST', job + '/retry', f'/v1/jobs/{planned(s)["id"]}/retry')
    key = {'Idempotency-Key': 'batch-1'}
    body = '{"jobs":[{"task":"echo","input":1,"ref":"a"},{"task":"echo","input":2,"delay":0.01,"ref":"b"},' \
           '{"task":"echo","depends_on":["a","b"]}]}'
    headers, made = s.call(202, 'POST', batch, batch, body, key)
    check(headers['Location'] == f'/v1/groups/{made["id"]}' and len(made['jobs']) == 3 and made['total'] == 3, 'a group')
    check(made['jobs'][2]['depends_on'] == [j['id'] for j in made['jobs'][:2]] and made['jobs'][2]['state'] == 'scheduled', 'refs')
    headers, same = s.call(202, 'POST', batch, batch, body, key)
    check(same == made and headers['Idempotency-Replayed'] == 'true', 'a batch is replayed')
    s.call(422, 'POST', batch, batch, '{"jobs":[{"task":"noop"}]}', key)
    group = f'/v1/groups/{made["id"]}'
    headers, done = s.call(200, 'GET', '/v1/groups/{id}', group + '?wait=60')
    check(done['done'] and done['counts']['succeeded'] == 3, 'the group has ended')
    s.call(304, 'GET', '/v1/groups/{id}', group, headers={'If-None-Match': headers['ETag']})
    headers, first = s.call(200, 'GET', '/v1/groups/{id}/results', group + '/results?limit=2')
    check([r['result'] for r in first['results']] == [1, 2], 'results in order')
    _, rest = s.call(200, 'GET', '/v1/groups/{id}/results', first['next'])
    check([p['result'] for p in rest['results'][0]['result']['parents']] == [1, 2] and rest['next'] is None, 'gathered')
    s.call(304, 'GET', '/v1/groups/{id}/results', group + '/results?limit=2', headers={'If-None-Match': headers['ETag']})
    _, listed = s.call(200, 'GET', jobs, jobs + '?group=' + made['id'])
    check([j['id'] for j in listed['jobs']] == [j['id'] for j in made['jobs']][::-1], 'jobs of a group')
    s.call(200, 'POST', batch, batch + '?wait=60', '{"jobs":[{"task":"noop"}]}')
    s.call(202, 'POST', batch, batch + '?wait=0.01', '{"jobs":[{"task":"noop","delay":900}]}')
    for path in ('/v1/groups/{id}', '/v1/groups/{id}/results'):
        s.call(404, 'GET', path, path.replace('{id}', NOBODY))
        s.call(400, 'GET', path, path.replace('{id}', made['id']) + '?x=1')
    for wrong in ('{}', '{"jobs":1}', '{"jobs":[]}', '{"jobs":[1]}', '{"jobs":[{"task":"noop","x":1}]}', '{"jobs":[{"task":"noop"}],"x":1}',
                  '{"jobs":[{"task":"noop","depends_on":["later"]},{"task":"noop","ref":"later"}]}',
                  '{"jobs":[{"task":"noop","ref":"a"},{"task":"noop","ref":"a"}]}', '{"jobs":[{"task":"noop"}],"callback_url":"ftp://x"}'):
        s.call(400, 'POST', batch, batch, wrong)
    lines = {'Content-Type': 'application/x-ndjson'}
    many = ''.join('{"task":"echo","input":%d}\n' % i for i in range(2300))
    _, group = s.call(200, 'POST', batch, batch + '?wait=60', many, lines)
    check(group['done'] and group['counts']['succeeded'] == 2300, f'a stream: {group}')
    s.call(202, 'POST', batch, batch, '{"task":"noop","delay":900}\n\n{"task":"noop","delay":900}', lines)
    _, bad = s.call(400, 'POST', batch, batch, many + '{"task":"noop",}\n' + many, lines)
    check('line 2301' in bad['detail'] and ' jobs of the lines before are kept' in bad['detail'], f'a bad line: {bad}')
    s.call(400, 'POST', batch, batch, '', lines)
    s.call(400, 'POST', batch, batch + '?x=1', many, lines)
    keyed = {**lines, 'Idempotency-Key': 'lines'}
    _, first = s.call(200, 'POST', batch, batch + '?wait=60', many, keyed)
    headers, again = s.call(200, 'POST', batch, batch, many, keyed)
    check(again['id'] == first['id'] and again['total'] == 2300 and headers['Idempotency-Replayed'] == 'true', f'lines of a key: {again}')
    s.call(422, 'POST', batch, batch, many + many, keyed)
    s.call(400, 'POST', batch, batch, '{"task":"noop","ref":"a"}', {**lines, 'Idempotency-Key': 'x'})

    def kept():
        return sum(json.loads(s.ask('GET', '/v1/stats')[2])['jobs'].values())

    def halting():
        part = many[:18000]  # so much is kept at once, and no more
        before = kept()
        yield part.encode()
        while kept() == before:
            time.sleep(0.01)
        s.call(200, 'POST', batch, batch + '?wait=60', many, beside)  # another one says all of it meanwhile
        yield many[len(part):].encode()
    beside = {**lines, 'Idempotency-Key': 'beside'}
    s.call(409, 'POST', batch, batch, halting(), beside)
    s.call(422, 'POST', batch, batch, '{"jobs":[{"task":"noop"},{"task":"nope"}]}')
    s.call(422, 'POST', batch, batch, '{"jobs":[{"task":"noop"},{"task":"noop","depends_on":["%s"]}]}' % NOBODY)
    s.call(422, 'POST', jobs, jobs, '{"task":"noop","depends_on":["%s"]}' % NOBODY)
    for wrong in ('"depends_on":["x"]', '"depends_on":"x"', '"ref":"a"', '"backoff":1', '"backoff":{"kind":"fixed"}', '"unique":1',
                  '"backoff":{"kind":"list","delays":[]}', '"backoff":{"kind":"fixed","delay":1,"x":1}', '"unique":{"by":"x"}',
                  '"unique":{"by":"key"}', '"unique":{"period":0}', '"concurrency_key":""', '"callback_url":"x"', '"expires_at":"2001-01-01T00:00:00Z"',
                  '"callback_url":"http://a@b/"', '"on_dependency_failure":"x"'):
        s.call(400, 'POST', jobs, jobs, '{"task":"noop",%s}' % wrong)
    only = '{"task":"noop","delay":900,"unique":{"key":"one"%s},"backoff":{"kind":"exponential","delay":0.5},' \
           '"concurrency_key":"k","expires_at":"2030-01-01T00:00:00Z","callback_url":"https://example.org/x"}'
    _, one = s.call(202, 'POST', jobs, jobs, only % '')
    headers, two = s.call(202, 'POST', jobs, jobs, only % '')
    check(one['id'] == two['id'] and headers['Jobmill-Duplicate'] == 'true', 'the same is there once')
    s.call(409, 'POST', jobs, jobs, only % ',"on_conflict":"reject"')
    s.call(202, 'POST', jobs, jobs, '{"task":"noop","delay":900,"tags":["bulk"]}')
    for act, state in (('cancel', 'scheduled'), ('retry', 'cancelled'), ('cancel', 'queued'), ('delete', 'cancelled')):
        _, n = s.call(200, 'POST', f'/v1/jobs/{act}', f'/v1/jobs/{act}?tag=bulk&state={state}')
        check(not n['more'] and n['next'] is None, f'bulk {act}: {n}')
    _, n = s.call(202, 'POST', batch, batch, json.dumps({'jobs': [{'task': 'noop', 'delay': 900, 'tags': ['bulk']}] * 1001}))
    _, n = s.call(200, 'POST', '/v1/jobs/cancel', '/v1/jobs/cancel?tag=bulk')
    check(n['changed'] == 1000 and n['more'], f'bulk: {n}')
    _, n = s.call(200, 'POST', '/v1/jobs/cancel', n['next'])
    check(n['changed'] == 1 and not n['more'], f'the rest: {n}')
    for target in ('delete', 'cancel?cursor=x', 'cancel?state=failed', 'retry?state=queued', 'delete?state=running', 'cancel?x=1', 'cancel?tag=a&group=' + NOBODY):
        s.call(400, 'POST', '/v1/jobs/' + target.split('?')[0], '/v1/jobs/' + target)
    for kind, name in (('task', 'noop'), ('pool', 'default')):
        _, held = s.call(200, 'POST', f'/v1/{kind}s/{{{kind}}}/pause', f'/v1/{kind}s/{name}/pause')
        _, queued = s.call(202, 'POST', jobs, jobs + '?wait=0.05', '{"task":"noop"}')
        check(held['paused'] and queued['state'] == 'queued', f'a paused {kind}')
        _, held = s.call(200, 'POST', f'/v1/{kind}s/{{{kind}}}/resume', f'/v1/{kind}s/{name}/resume')
        check(not held['paused'], f'{kind} resumed')
        s.call(200, 'GET', job, f'/v1/jobs/{queued["id"]}?wait=60')
        for word in ('pause', 'resume'):
            s.call(404, 'POST', f'/v1/{kind}s/{{{kind}}}/{word}', f'/v1/{kind}s/nope/{word}')


def live_schedules(s):
    all_, one = '/v1/schedules', '/v1/schedules/{name}'
    body = {'name': 'nightly', 'cron': '30 3 * * *', 'time_zone': 'Europe/Berlin', 'job': {'task': 'echo', 'input': 1, 'tags': ['t']}}
    headers, made = s.call(200, 'POST', all_, all_, json.dumps(body))
    check(headers['Location'] == '/v1/schedules/nightly' and len(made['next']) == 5 and made['job']['input'] == 1, 'a schedule')
    check(all(t.endswith(('T01:30:00.000Z', 'T02:30:00.000Z')) for t in made['next']), f'in Berlin: {made["next"]}')
    headers, same = s.call(200, 'GET', one, '/v1/schedules/nightly')
    s.call(304, 'GET', one, '/v1/schedules/nightly', headers={'If-None-Match': headers['ETag']})
    headers, every = s.call(200, 'GET', all_, all_)
    check(every['schedules'] == [made] == [same], 'in the list')
    s.call(304, 'GET', all_, all_, headers={'If-None-Match': headers['ETag']})
    for word, paused in (('pause', True), ('resume', False)):
        _, held = s.call(200, 'POST', one + '/' + word, f'/v1/schedules/nightly/{word}')
        check(held['paused'] == paused, word)
        s.call(404, 'POST', one + '/' + word, f'/v1/schedules/nope/{word}')
    headers, job = s.call(202, 'POST', one + '/run', '/v1/schedules/nightly/run')
    check(headers['Location'] == '/v1/jobs/' + job['id'] and job['tags'] == ['t'] and job['input'] == 1, 'run now')
    check(s.call(200, 'GET', one, '/v1/schedules/nightly')[1]['last_job'] == job['id'], 'the last job')
    s.call(404, 'POST', one + '/run', '/v1/schedules/nope/run')
    s.call(200, 'POST', all_, all_, json.dumps({**body, 'name': 'long', 'job': {'task': 'sleep', 'input': {'seconds': 600}}}))
    _, job = s.call(202, 'POST', one + '/run', '/v1/schedules/long/run')
    s.call(409, 'POST', one + '/run', '/v1/schedules/long/run')
    s.call(200, 'POST', '/v1/jobs/{id}/cancel', f'/v1/jobs/{job["id"]}/cancel?wait=60')
    s.call(204, 'DELETE', one, '/v1/schedules/long')
    for wrong in ({'cron': '* * *'}, {'cron': '61 * * * *'}, {'cron': '0 0 30 2 *'}, {'time_zone': 'Mars/Base'}, {'name': 'A'}, {'x': 1},
                  {'overlap': 'x'}, {'missed': 'x'}, {'paused': 1}, {'job': 1}, {'job': {'task': 'noop', 'delay': 1}}, {'job': {}},
                  {'job': {'task': 'noop', 'priority': 1000}}, {'job': {'task': 'noop', 'unique': {}}}):
        s.call(400, 'POST', all_, all_, json.dumps({**body, **wrong}))
    for key in ('name', 'cron', 'job'):
        s.call(400, 'POST', all_, all_, json.dumps({k: v for k, v in body.items() if k != key}))
    s.call(422, 'POST', all_, all_, json.dumps({**body, 'job': {'task': 'nope'}}))
    s.call(422, 'POST', all_, all_, json.dumps({**body, 'job': {'task': 'primes', 'input': {'limit': -1}}}))
    s.call(204, 'DELETE', one, '/v1/schedules/nightly')
    for method in ('GET', 'DELETE'):
        s.call(404, method, one, '/v1/schedules/nightly')


def live_leases(s):
    take, one = '/v1/leases', '/v1/leases/{id}'
    def job(more=''):
        return s.call(202, 'POST', '/v1/jobs', '/v1/jobs', '{"task":"far","input":[1]%s}' % more)[1]['id']

    def lease(body='{"duration":20,"worker":"w"}'):
        return s.call(200, 'POST', take, take, body)[1]['leases']
    check(lease() == [], 'no job, no lease')
    first = job()
    (got,) = lease()
    check(got['job']['id'] == first and got['job']['input'] == [1] and got['job']['state'] == 'running', 'a lease')
    at = f'/v1/leases/{got["id"]}'
    s.call(200, 'POST', one + '/heartbeat', at + '/heartbeat')
    headers, data = s.call(200, 'GET', one + '/input', at + '/input')
    check(data == [1] and headers['Accept-Ranges'] == 'bytes', f'the input of a lease: {data}')
    s.call(304, 'GET', one + '/input', at + '/input', None, {'If-None-Match': headers['ETag']})
    s.call(206, 'GET', one + '/input', at + '/input', None, {'Range': 'bytes=1-1'})
    s.call(416, 'GET', one + '/input', at + '/input', None, {'Range': 'bytes=9-'})
    s.call(400, 'GET', one + '/input', at + '/input?x=1')
    s.call(200, 'POST', one + '/heartbeat', at + '/heartbeat', '{"progress":{"fraction":0.5,"message":"m"},"duration":30}')
    _, shown = s.call(200, 'GET', '/v1/jobs/{id}', f'/v1/jobs/{first}')
    check(shown['progress'] == {'fraction': 0.5, 'message': 'm'} and shown['lease']['worker'] == 'w', 'progress from elsewhere')
    _, end = s.call(200, 'POST', one + '/complete', at + '/complete', '{"result":{"x":1.10}}')
    check(end == {'job': first, 'state': 'succeeded'}, 'completed')
    for word, body in (('complete', '{"result":1}'), ('fail', '{"error":{}}'), ('heartbeat', '{}')):
        s.call(409, 'POST', f'{one}/{word}', f'{at}/{word}', body)
        s.call(409, 'POST', f'{one}/{word}', f'/v1/leases/nope/{word}', body)
    s.call(409, 'GET', one + '/input', at + '/input')
    s.call(409, 'GET', one + '/input', '/v1/leases/nope/input')
    job()
    at = f'/v1/leases/{lease()[0]["id"]}'
    _, end = s.call(200, 'POST', one + '/fail', at + '/fail', '{"error":{"code":"bad_day","message":"x","permanent":true}}')
    check(end['state'] == 'failed', 'failed for good')
    third = job()
    at = f'/v1/leases/{lease()[0]["id"]}'
    s.call(200, 'POST', one + '/complete', at + '/complete', b'\x89PNG', {'Content-Type': 'image/png'})
    headers, data = s.call(200, 'GET', '/v1/jobs/{id}/result', f'/v1/jobs/{third}/result')
    check(data == b'\x89PNG' and headers['Content-Type'] == 'image/png', 'bytes from elsewhere')
    fourth = job()
    at = f'/v1/leases/{lease()[0]["id"]}'
    _, stopped = s.call(200, 'POST', '/v1/jobs/{id}/cancel', f'/v1/jobs/{fourth}/cancel')
    check(stopped['state'] == 'cancelled', 'cancelled at once')
    s.call(409, 'POST', one + '/complete', at + '/complete', '{"result":1}')
    lost = job(',"max_attempts":1')
    check(len(lease('{"duration":0.1}')) == 1, 'a short lease')
    _, over = s.call(200, 'GET', '/v1/jobs/{id}', f'/v1/jobs/{lost}?wait=60')
    check(over['state'] == 'failed' and over['error']['code'] == 'lease_expired', 'lost')
    for wrong in ('{"tasks":[]}', '{"tasks":1}', '{"tasks":["noop"]}', '{"wait":-1}', '{"wait":100000}', '{"duration":0}', '{"max":0}', '{"max":1.5}',
                  '{"worker":""}', '{"x":1}', '[]'):
        s.call(400, 'POST', take, take, wrong)
    s.call(422, 'POST', take, take, '{"tasks":["nope"]}')
    job()
    at = f'/v1/leases/{lease()[0]["id"]}'
    for word, body in (('complete', '{"x":1}'), ('complete', '{'), ('fail', '{}'), ('fail', '{"error":{"code":"A b"}}'), ('fail', '{"error":1}'),
                       ('heartbeat', '{"progress":{"fraction":2}}'), ('heartbeat', '{"x":1}'), ('heartbeat', '{"duration":0}')):
        s.call(400, 'POST', f'{one}/{word}', f'{at}/{word}', body)
    s.call(200, 'POST', one + '/complete', at + '/complete')


def live_keys(s):
    key = {'Idempotency-Key': '"contract-1"'}
    body = '{"task":"noop","delay":50.5}'
    _, _, one = s.ask('POST', '/v1/jobs', body, key)
    status, headers, two = s.ask('POST', '/v1/jobs', body, {'Idempotency-Key': 'contract-1'})
    check(status == 202 and one == two and headers['Idempotency-Replayed'] == 'true', 'a replay is byte for byte')
    s.call(202, 'POST', '/v1/jobs', '/v1/jobs', body, key)
    s.call(422, 'POST', '/v1/jobs', '/v1/jobs', '{"task":"echo"}', key)
    s.call(400, 'POST', '/v1/jobs', '/v1/jobs', body, {'Idempotency-Key': 'x' * 256})
    s.call(400, 'POST', '/v1/jobs', '/v1/jobs', body, {'Idempotency-Key': ''})


BAD_BODIES = ['', '{', '[]', '1', '{"task":1}', '{}', '{"task":"noop","x":1}', '{"task":"noop","task":"noop"}',
              '{"task":"noop","priority":101}', '{"task":"noop","priority":1.5}', '{"task":"noop","delay":-1}',
              '{"task":"noop","delay":1,"run_at":"2030-01-01T00:00:00Z"}', '{"task":"noop","run_at":"soon"}',
              '{"task":"noop","timeout":0}', '{"task":"noop","max_attempts":0}', '{"task":"noop","tags":"a"}',
              '{"task":"noop","tags":[""]}', '{"task":"noop","tags":["' + '","'.join('abcdefghijklmnopq') + '"]}',
              '{"task":"noop","input":' + '[' * 80 + ']' * 80 + '}', '{"task":"noop","input":"\\ud800"}',
              '{"task":"noop","input":{"a":1,"a":2}}', '{"task":"noop"} x', '\ufeff{"task":"noop"}',
              '{"task":"noop","input":1e400}']
BAD_QUERIES = ['x=1', 'limit=0', 'limit=1001', 'limit=a', 'limit=1&limit=2', 'state=done', 'cursor=abc', 'cursor=' + 'A' * 23,
               'tag=', 'task=A', 'ids=1', 'ids=', f'ids={NOBODY}&limit=1', 'ids=' + ','.join([NOBODY] * 101), 'tag=%0a',
               'tag=%zz', '&'.join('tag=a' for _ in range(70))]


def live_refusals(s):
    for body in BAD_BODIES:
        s.call(400, 'POST', '/v1/jobs', '/v1/jobs', body.encode())
    for query in BAD_QUERIES:
        s.call(400, 'GET', '/v1/jobs', '/v1/jobs?' + query)
    for query in ('wait=-1', 'wait=301', 'wait=x', 'wait=', 'foo=1'):
        s.call(400, 'POST', '/v1/jobs', '/v1/jobs?' + query, '{"task":"noop"}')
        s.call(400, 'GET', '/v1/jobs/{id}', f'/v1/jobs/{NOBODY}?{query}')
        s.call(400, 'POST', '/v1/jobs/{id}/cancel', f'/v1/jobs/{NOBODY}/cancel?{query}')
        s.call(400, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/noop/jobs?' + query)
    for query in ('priority=x', 'timeout=0', 'delay=1&run_at=2030-01-01T00:00:00Z', 'max_attempts=1001', 'tag='):
        s.call(400, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/noop/jobs?' + query)
    s.call(422, 'POST', '/v1/jobs', '/v1/jobs', '{"task":"prime"}')
    s.call(422, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/nope/jobs', 'x')
    s.call(404, 'GET', '/v1/tasks/{task}', '/v1/tasks/nope')
    for tail in ('', '/result', '/input'):
        s.call(404, 'GET', '/v1/jobs/{id}' + tail, f'/v1/jobs/{NOBODY}{tail}')
        s.call(404, 'GET', '/v1/jobs/{id}' + tail, f'/v1/jobs/nope{tail}')
    s.call(404, 'POST', '/v1/jobs/{id}/cancel', f'/v1/jobs/{NOBODY}/cancel')
    s.call(413, 'POST', '/v1/jobs', '/v1/jobs', b' ' * 1100000)
    s.call(403, 'POST', '/v1/jobs', '/v1/jobs', '{"task":"noop"}', {'Origin': 'http://evil.example'})
    s.call(403, 'POST', '/v1/jobs/{id}/cancel', f'/v1/jobs/{NOBODY}/cancel', None, {'Sec-Fetch-Site': 'cross-site'})
    s.call(501, 'POST', '/v1/jobs', '/v1/jobs', None, {'Transfer-Encoding': 'gzip'})
    s.call(414, 'GET', '/v1/jobs', '/v1/jobs?tag=' + 'a' * 8000)


def live_schemas(s):
    """Input schemas: published, kept, and told about."""
    tasks = json.loads(s.ask('GET', '/v1/tasks')[2])['tasks']
    check(not any('input_schema' in t for t in tasks), 'no schemas in the list')
    for task in tasks:
        _, whole = s.call(200, 'GET', '/v1/tasks/{task}', f'/v1/tasks/{task["name"]}')
        if task['kind'] == 'remote':
            continue
        if task['kind'] == 'command':
            continue
        Draft202012Validator.check_schema(whole['input_schema'])
        for example in whole['input_schema'].get('examples', []):
            s.call(204, 'POST', '/v1/jobs', '/v1/jobs?validate_only=true',
                   json.dumps({'task': task['name'], 'input': example}))
    _, bad = s.call(422, 'POST', '/v1/jobs', '/v1/jobs', '{"task":"primes","input":{"limit":-1,"x~/y":2}}')
    check(bad['code'] == 'invalid_input' and {e['pointer'] for e in bad['errors']} == {'/input/limit', '/input/x~0~1y'},
          f'pointers to what is wrong: {bad}')
    _, bad = s.call(422, 'POST', '/v1/jobs', '/v1/jobs', '{"task":"sleep"}')
    check(bad['errors'][0]['pointer'] == '/input', 'no input')
    _, bad = s.call(422, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/sleep/jobs', '{"seconds":"1"}',
                    {'Content-Type': 'application/json'})
    check(bad['errors'][0]['pointer'] == '/seconds', 'a raw body is the input')
    s.call(400, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/sleep/jobs', '{"seconds":1,"seconds":2}',
           {'Content-Type': 'application/json'})
    s.call(204, 'POST', '/v1/jobs/batch', '/v1/jobs/batch?validate_only=true', '{"jobs":[{"task":"noop"}]}')
    s.call(204, 'POST', '/v1/tasks/{task}/jobs', '/v1/tasks/sha256/jobs?validate_only=true', b'\x00')
    s.call(400, 'POST', '/v1/jobs', '/v1/jobs?validate_only=maybe', '{"task":"noop"}')


def methods_at(target):
    """All methods of the rows that the address matches."""
    return {m for m, p, _, _ in operations()
            if re.fullmatch(re.sub(r'\\{\w+\\}', '[^/]+', re.escape(p)), target)}


def live_every_address(s):
    """What holds of every row: HEAD, OPTIONS, 405 with Allow, unknown parameters, foreign hosts."""
    for method, path, _, op in operations():
        target = path.replace('{id}', NOBODY).replace('{task}', 'noop').replace('{pool}', 'default').replace('{name}', 'nightly').replace('{file}', 'x')
        if method == 'GET':
            status, _, data = s.ask('HEAD', target)
            check(data == b'' and str(status) in op['responses'], f'HEAD {target}: {status}')
            s.call(400, 'GET', path, target + '?unknown=1')
            s.call(400, 'GET', path, target, b'{}')
        s.call(421, method, path, target, None, {'Host': 'evil.example'})
        status, headers, data = s.ask('OPTIONS', target)
        check(status == 204 and method in headers['Allow'] and data == b'', f'OPTIONS {target}')
        for other in ('PUT', 'DELETE', 'PATCH', 'BREW'):
            if other in methods_at(target):
                continue
            status, headers, data = s.ask(other, target)
            check(status == 405 and method in headers['Allow'] and
                  json.loads(data)['code'] == 'method_not_allowed', f'{other} {target}: {status}')
    for target in ('/nope', '/v1', '/v1/jobs/', '/v1//jobs', '/v1%2Fjobs', '/v1/jobs/x/y', '/v1/../healthz'):
        status, _, data = s.ask('GET', target)
        check(status == 404 and json.loads(data)['code'] == 'not_found', f'GET {target}: {status}')


def live_history(s):
    path = '/v1/history'
    _, fine = s.call(200, 'GET', path, path)
    _, day = s.call(200, 'GET', path, path + '?step=300')
    check((fine['step'], day['step']) == (5, 300), f'steps: {fine["step"]}, {day["step"]}')
    for wrong in ('step=6', 'step=', 'step=300&step=300', 'x=1'):
        s.call(400, 'GET', path, f'{path}?{wrong}')


def live_admin(s):
    _, caller = s.call(200, 'GET', '/v1/caller', '/v1/caller')
    check(caller == {'scopes': ['read', 'submit', 'control', 'work', 'admin'], 'read_all': True}, f'without tokens: {caller}')
    _, got = s.call(200, 'GET', '/v1/settings', '/v1/settings')
    by = {one['name']: one for one in got['settings']}
    check(by['listen']['value'] == '127.0.0.1:0' and by['listen']['changed'], f'listen: {by["listen"]}')
    check(by['max_attempts'] == {'name': 'max_attempts', 'value': 3, 'changed': False, 'unit': 'attempts', 'help': by['max_attempts']['help']}, f'{by["max_attempts"]}')
    check(by['insecure']['value'] is False and by['run_ahead']['value'] == 0.005 and not by['run_ahead']['changed'], f'{by["run_ahead"]}')
    s.call(200, 'POST', '/v1/tasks/{task}/pause', '/v1/tasks/noop/pause')
    s.call(200, 'POST', '/v1/tasks/{task}/resume', '/v1/tasks/noop/resume')
    s.call(404, 'POST', '/v1/tasks/{task}/pause', '/v1/tasks/nope/pause')
    s.call(200, 'POST', '/v1/jobs/cancel', '/v1/jobs/cancel?state=queued')
    acts = {('cancel', 'ok', 200, 0), ('pause', 'not_found', 404, None), ('resume', 'ok', 200, None), ('pause', 'ok', 200, None)}
    until = time.monotonic() + 60  # a record is made once its request is over, which may be after its answer
    missing = acts
    while missing and time.monotonic() < until:
        _, got = s.call(200, 'GET', '/v1/audit', '/v1/audit')
        missing = acts - {(r['act'], r['result'], r['status'], r.get('changed')) for r in got['records'][:4]}
    check(not missing, f'audit: {missing} not in {got["records"][:5]}')
    for path in ('/v1/caller', '/v1/settings', '/v1/audit'):
        s.call(400, 'GET', path, path + '?x=1')


def live_filters(s):
    jobs = '/v1/jobs'
    _, one = s.call(202, 'POST', jobs, jobs, '{"task":"noop","input":{"word":"Needle"},"delay":900}')
    _, got = s.call(200, 'GET', jobs, jobs + '?text=nEEdle')
    check([j['id'] for j in got['jobs']] == [one['id']] and 'input' not in got['jobs'][0], f'text: {got}')
    created = one['created_at']
    _, got = s.call(200, 'GET', jobs, f'{jobs}?created_after={created}&text=needle')
    check(len(got['jobs']) == 1, 'at its time or later')
    _, got = s.call(200, 'GET', jobs, f'{jobs}?created_before={created}&text=needle')
    check(len(got['jobs']) == 0, 'before its time')
    _, got = s.call(200, 'GET', jobs, f'{jobs}?created_after=2001-01-01T00:00:00Z&created_before=2100-01-01T00:00:00Z&limit=1')
    _, more = s.call(200, 'GET', jobs, got['next'])
    check('created_after=' in got['next'] and more['jobs'][0]['id'] != got['jobs'][0]['id'], f'the next page: {got["next"]}')
    for wrong in ('text=', 'text=' + 'x' * 101, 'created_after=yesterday', 'created_before=1969-13-01T00:00:00Z', 'text=a&text=b'):
        s.call(400, 'GET', jobs, f'{jobs}?{wrong}')
    for act, rest in (('cancel', 'state=scheduled'), ('retry', 'state=cancelled'), ('delete', 'state=succeeded')):
        _, n = s.call(200, 'POST', f'{jobs}/{act}', f'{jobs}/{act}?{rest}&created_before=2001-01-01T00:00:00Z')
        check(n['matched'] == 0, f'bulk {act} of old jobs: {n}')
        s.call(400, 'POST', f'{jobs}/{act}', f'{jobs}/{act}?{rest}&text=needle')


def ask_again(s, path, target):
    """304 to who has it already. A job that ends meanwhile, or a step of the history, is something new: that is asked for anew."""
    for _ in range(100):
        headers, _ = s.call(200, 'GET', path, target)
        known = {'If-None-Match': headers['ETag']}
        if s.ask('GET', target, headers=known)[0] == 304:
            s.seen.add(('GET', path, '304'))
            return
    check(False, f'{target}: never 304')


def live_rest(s):
    headers, pool = s.call(200, 'GET', '/v1/pools/{pool}', '/v1/pools/default')
    check(pool['name'] == 'default', 'a pool')
    s.call(304, 'GET', '/v1/pools/{pool}', '/v1/pools/default', headers={'If-None-Match': headers['ETag']})
    s.call(404, 'GET', '/v1/pools/{pool}', '/v1/pools/none')
    for path in ('/v1/tasks', '/v1/pools', '/v1/workers', '/v1/stats', '/v1/history', '/v1/caller', '/v1/settings', '/v1/audit', '/healthz', '/readyz', '/', '/v1/tasks/{task}', '/v1/jobs'):
        target = path.replace('{task}', 'primes')
        headers, _ = s.call(200, 'GET', path, target)
        documented = '304' in SPEC['paths'][path]['get']['responses']
        check((headers['ETag'] is not None) == documented, f'{path}: an ETag where 304 is documented')
        if documented and path != '/v1/workers':  # whose figures move
            ask_again(s, path, target)
    for accept in ({}, {'Accept': 'application/openmetrics-text; version=1.0.0'}):
        headers, text = s.call(200, 'GET', '/metrics', '/metrics', headers=accept)
        check(text.startswith(b'# HELP') and text.endswith(b'# EOF\n') == bool(accept) == headers['Content-Type'].startswith('app'),
              f'/metrics as {accept}')
    _, text = s.call(200, 'GET', '/api.yaml', '/api.yaml')
    check(text == open(f'{ROOT}/api.yaml', 'rb').read(), '/api.yaml is this api.yaml')


def live_pages(s):
    made = [s.call(202, 'POST', '/v1/jobs', '/v1/jobs', '{"task":"noop","delay":900,"tags":["paged é&"]}')[1]['id']
            for _ in range(7)]
    target, found = '/v1/jobs?limit=3&tag=paged%20%C3%A9%26&state=scheduled&task=noop', []
    while target:
        headers, page = s.call(200, 'GET', '/v1/jobs', target)
        found += [job['id'] for job in page['jobs']]
        target = page['next']
        check((headers['Link'] is not None) == (target is not None), 'Link stands beside next')
        check(len(found) <= 7, 'pages end')
    check(found == made[::-1], 'pages hold every job once, newest first')
    _, some = s.call(200, 'GET', '/v1/jobs', f'/v1/jobs?ids={made[2]},{NOBODY},{made[0]}')
    check([job['id'] for job in some['jobs']] == [made[2], made[0]], 'jobs by their ids')
    _, soon = s.call(202, 'POST', '/v1/jobs', '/v1/jobs', '{"task":"sleep","input":{"seconds":0.2}}')
    _, some = s.call(200, 'GET', '/v1/jobs', f'/v1/jobs?ids={made[2]},{soon["id"]}&wait=60')
    check([job['state'] for job in some['jobs']] == ['scheduled', 'succeeded'], 'any of many has ended')
    _, some = s.call(200, 'GET', '/v1/jobs', f'/v1/jobs?ids={made[2]},{made[0]}&wait=0.05')
    check([job['state'] for job in some['jobs']] == ['scheduled', 'scheduled'], 'none of many has ended')
    s.call(200, 'GET', '/v1/jobs', f'/v1/jobs?ids={NOBODY}&wait=60')


PARTS = (live_jobs, live_lives, live_schedules, live_leases, live_keys, live_refusals, live_schemas, live_every_address, live_history, live_admin, live_filters, live_rest, live_pages)
