#!/usr/bin/env python3
"""contract.py [JOBMILL] - api.yaml against route.def both ways, against err.def, and, given the binary,
against live answers: every answer must be one that the contract allows, body and headers too."""
import re
import sys

from jsonschema import Draft202012Validator

import contract_answers
import contract_pages
from contract_service import ROOT, SPEC, Service, check, failures, operations, resolve, validator


# ---- the document alone ----

def walk(node, path=''):
    yield path, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f'{path}/{key}')
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from walk(value, f'{path}/{i}')


def check_document():
    check(SPEC['openapi'].startswith('3.1'), 'openapi is 3.1')
    used = set()
    for path, node in walk(SPEC):
        if isinstance(node, dict) and isinstance(node.get('$ref'), str):
            used.add(node['$ref'])
            try:
                resolve({'$ref': node['$ref']})
            except (KeyError, TypeError):
                check(False, f'{path}: {node["$ref"]} is nowhere')
    schemes = {name for need in SPEC['security'] for name in need}
    check(schemes == set(SPEC['components']['securitySchemes']), 'securitySchemes are used')
    for kind, parts in SPEC['components'].items():
        for name in parts if kind != 'securitySchemes' else ():
            check(f'#/components/{kind}/{name}' in used, f'components/{kind}/{name} is used')
    for name, schema in SPEC['components']['schemas'].items():
        try:
            Draft202012Validator.check_schema(schema)
        except Exception as e:  # noqa: BLE001 - any complaint is the finding
            check(False, f'schema {name}: {e}')
    ids = [op['operationId'] for _, _, _, op in operations()]
    check(len(ids) == len(set(ids)), 'operationIds are unique')
    for method, path, item, op in operations():
        named = set(re.findall(r'{(\w+)}', path))
        given = {resolve(p)['name'] for p in item.get('parameters', []) if resolve(p)['in'] == 'path'}
        check(named == given, f'{method} {path}: path parameters {named} described')
        check('summary' in op and op.get('tags'), f'{method} {path}: summary and tags')
        for status, response in op['responses'].items():
            check('description' in resolve(response), f'{method} {path} {status}: description')
            for kind, media in resolve(response).get('content', {}).items():
                check_examples(f'{method} {path} {status} {kind}', media)
        for kind, media in resolve(op.get('requestBody', {})).get('content', {}).items():
            check_examples(f'{method} {path} body {kind}', media)


def check_examples(where, media):
    examples = [e['value'] for e in media.get('examples', {}).values()]
    if 'example' in media:
        examples.append(media['example'])
    for example in examples:
        for error in validator(media['schema']).iter_errors(example):
            check(False, f'{where}: example: {error.message}')


# ---- against the tables ----

def check_routes():
    text = open(f'{ROOT}/server/http/route.def', encoding='utf-8').read()
    rows = set(re.findall(r'^ROUTE\((\w+),\s*"([^"]+)"', text, re.M))
    spec = {(method, path) for method, path, _, _ in operations()}
    for row in sorted(rows - spec):
        check(False, f'{row} is in route.def and not in api.yaml')
    for row in sorted(spec - rows):
        check(False, f'{row} is in api.yaml and not in route.def')


def check_errors():
    text = open(f'{ROOT}/common/err.def', encoding='utf-8').read()
    rows = re.findall(r'^ERR\(\w+,\s*(\d+),\s*"(\w+)"', text, re.M)
    codes = {code: status for status, code in rows}
    listed = set(SPEC['components']['schemas']['Problem']['properties']['code']['enum'])
    check(listed == set(codes), f'the codes of api.yaml and err.def: {sorted(listed ^ set(codes))}')
    told = {}
    for name, response in SPEC['components']['responses'].items():
        statuses = {s for _, _, _, op in operations() for s, r in op['responses'].items()
                    if r.get('$ref', '').endswith(f'/{name}')}
        for code in re.findall(r'`(\w+)`', response['description']):
            if 'application/problem+json' in response.get('content', {}) and code != 'chunked':
                check(code in codes, f'{name}: the code {code} is in err.def')
                told[code] = statuses
    for code, statuses in told.items():
        if code in codes and statuses:
            check(statuses == {codes[code]}, f'{code}: status {codes[code]} in err.def, {statuses} in api.yaml')


# ---- live ----

def live(binary):
    service = Service(binary)
    try:
        for part in contract_answers.PARTS + contract_pages.PARTS:
            part(service)
        check(service.process.poll() is None, 'the service still runs')
    finally:
        service.stop()
    races = {('POST', '/v1/schedules', '409'), ('POST', '/v1/jobs/{id}/cancel', '202'), ('GET', '/v1/workers', '304'),
             ('POST', '/v1/schedules/{name}/run', '422')}  # its task is configured no more
    unseen = [(m, p, st) for m, p, _, op in operations() for st in op['responses']
              if (m, p, st) not in service.seen and st in ('200', '202', '304', '404', '409', '422')]
    for row in unseen:
        if row not in races:
            check(False, f'{row} was never answered')
    return len(service.seen)


def main():
    check_document()
    check_routes()
    check_errors()
    seen = live(sys.argv[1]) if len(sys.argv) > 1 else 0
    print(f'contract: {len(list(operations()))} operations, {seen} kinds of answer seen, {len(failures)} failures')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
