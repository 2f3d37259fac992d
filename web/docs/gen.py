#!/usr/bin/env python3
"""gen.py OUTDIR STYLESHEET.gz... - makes the pages of the API from api.yaml, route.def, err.def and
web/docs/errors.yaml: OUTDIR/docs.html, served at /docs, and OUTDIR/errors.html, served at /docs/errors.
The style sheets are named as the service names them: with the digest of their compressed bytes.
The pages are whole without a script."""
import hashlib
import html
import json
import os
import re
import sys
import urllib.parse

import yaml

import schema
from markup import blocks, line, tag

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BASE = 'http://127.0.0.1:8080'
METHODS = ('get', 'post', 'put', 'delete', 'patch')
PROBLEM = 'application/problem+json'
PLACES = {'path': 'in the path', 'query': 'in the query', 'header': 'a header'}
# what stands for the part of a path in a line of curl; where it is not here, a variable of the shell does
PARTS = {'task': 'sha256', 'pool': 'default', 'name': 'nightly'}


class Contract:
    """api.yaml, and what the pages ask of it."""

    def __init__(self):
        with open(f'{ROOT}/api.yaml', encoding='utf-8') as f:
            self.spec = yaml.safe_load(f)

    def resolve(self, node):
        while isinstance(node, dict) and '$ref' in node:
            kind, name = node['$ref'].split('/')[-2:]
            node = self.spec['components'][kind][name]
        return node

    def operations(self):
        for path, item in self.spec['paths'].items():
            for method in item:
                if method in METHODS:
                    yield method.upper(), path, item, item[method]

    def problems(self, op):
        """(status, response) of the answers that are problem documents."""
        for status, response in op['responses'].items():
            response = self.resolve(response)
            if PROBLEM in response.get('content', {}):
                yield status, response


def read_errors():
    """code -> (status, [sentence])"""
    with open(f'{ROOT}/common/err.def', encoding='utf-8') as f:
        rows = re.findall(r'^ERR\(\w+,\s*(\d+),\s*"(\w+)",\s*"(.*)"\)$', f.read(), re.M)
    errors = {}
    for status, code, sentence in rows:
        errors.setdefault(code, (int(status), []))[1].append(sentence)
    return errors


def read_needs():
    """(method, path) -> the scope that its caller needs, and the setting that bounds its body, each or None."""
    limits = {'JSON': 'max_body', 'RAW': 'max_raw_body', 'BATCH': 'max_batch_body', 'NONE': None}
    with open(f'{ROOT}/server/http/route.def', encoding='utf-8') as f:
        rows = re.findall(r'^ROUTE\((\w+),\s*"([^"]+)",\s*\w+,\s*(\w+),\s*(\w+),\s*\w+\)', f.read(), re.M)
    return {(m, p): (None if scope == 'NONE' else scope.lower(), limits[body]) for m, p, scope, body in rows}


# ---- the frame of a page ----

def page(title, styles, here, side, body):
    """The addresses in it are below where it is, so that a proxy may serve all below a path of its own."""
    up = '../' * (here.count('/') - 1)
    return re.sub(r'href="/([^"]*)"', lambda m: f'href="{up + m.group(1) or "./"}"', frame(title, styles, here, side, body))


def frame(title, styles, here, side, body):
    links = [('/docs', 'Reference'), ('/docs/errors', 'Errors')]
    nav = ''.join(tag('a', name, href=path, aria_current='page' if path == here else None) for path, name in links)
    return f'''<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title)}</title>
<link rel="icon" href="data:,">
{''.join(f'<link rel="stylesheet" href="/assets/{name}">' for name in styles)}
</head>
<body class="docs">
<a class="skip" href="#content">To the content</a>
<header><div><a class="brand" href="/"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="M10 1v5M19 10h-5M10 19v-5M1 10h5M16.4 3.6l-3.6 3.6M16.4 16.4l-3.6-3.6M3.6 16.4l3.6-3.6M3.6 3.6l3.6 3.6"></path><circle cx="10" cy="10" r="3.5"></circle></svg>jobmill</a><nav aria-label="Pages">{nav}</nav>
<span class="end"><a href="/api.yaml">api.yaml</a><a href="/">Dashboard</a></span></div></header>
<div class="columns">
<nav class="side" aria-label="On this page"><details open><summary>On this page</summary>{side}</details></nav>
<main id="content" tabindex="-1">
{body}
</main>
</div>
</body>
</html>
'''


def listing(title, rows):
    """A part of the page's own table of contents; rows of (anchor, HTML)."""
    items = ''.join(f'<li><a href="#{anchor}">{text}</a></li>' for anchor, text in rows)
    return f'<h2>{html.escape(title)}</h2><ul>{items}</ul>'


# ---- an operation ----

def parameters(c, item, op):
    rows = [c.resolve(p) for p in item.get('parameters', []) + op.get('parameters', [])]
    if not rows:
        return ''
    out = []
    for p in rows:
        what = schema.merged(c, p['schema'])
        if p.get('description'):
            what = {**what, 'description': p['description']}
        if 'example' in p:
            what = {**what, 'examples': [p['example']]}
        out.append(schema.field(c, p['name'], what, p['schema'], required=p.get('required', False), place=PLACES[p['in']]))
    return f'<h4>Parameters</h4><dl class="fields">{"".join(out)}</dl>'


def examples(media):
    found = [(None, media['example'])] if 'example' in media else []
    found += [(name, e['value']) for name, e in media.get('examples', {}).items()]
    out = []
    for name, value in found:
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        out.append(f'<p class="dim small">Example{": " + html.escape(name) if name else ""}</p>'
                   f'<pre>{html.escape(text.rstrip())}</pre>')
    return ''.join(out)


def media_types(c, content, whole):
    """`whole`: a schema of components is shown with its fields, not as a link alone."""
    out = []
    for kind, media in content.items():
        name = 'any content type' if kind == '*/*' else f'<code>{html.escape(kind)}</code>'
        what = schema.kind(c, media['schema'])
        out.append(f'<p class="media">{name}{": " + what if what else ""}</p>')
        out.append(schema.fields(c, media['schema'], whole))
        out.append(examples(media))
    return ''.join(out)


def headers(c, response):
    rows = [schema.field(c, name, {**schema.merged(c, h['schema']), **{k: h[k] for k in ('description',) if k in h},
                                   **({'examples': [h['example']]} if 'example' in h else {})}, h['schema'])
            for name, h in ((n, c.resolve(h)) for n, h in response.get('headers', {}).items())]
    if not rows:
        return ''
    return f'<details><summary>Headers ({len(rows)})</summary><dl class="fields">{"".join(rows)}</dl></details>'


def answers(c, op):
    good, bad = [], []
    refused = dict(c.problems(op))
    for status, response in op['responses'].items():
        response = c.resolve(response)
        if status in refused:
            bad.append(f'<dt><code>{status}</code></dt><dd>{blocks(response["description"], errors=True)}</dd>')
            continue
        good.append(f'<section class="answer"><h5><span class="status">{status}</span> {line(response["description"])}</h5>'
                    f'{media_types(c, response.get("content", {}), False)}{headers(c, response)}</section>')
    out = f'<h4>Answers</h4>{"".join(good)}'
    if bad:
        out += ('<details><summary>Refusals and failures '
                f'({", ".join(refused)})</summary><dl class="fields errors">{"".join(bad)}</dl></details>')
    return out


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def curl(c, method, path, item, op):
    """A line for a shell that does the operation; what it needs of the path are variables or shipped names."""
    target = re.sub(r'{(\w+)}', lambda m: PARTS.get(m.group(1), f'${m.group(1)}'), path)
    asked = [(p['name'], ','.join(p['example']) if isinstance(p['example'], list) else p['example']) for p in map(c.resolve, op.get('parameters', [])) if p['in'] == 'query' and 'example' in p]
    target += '?' + urllib.parse.urlencode(asked) if asked else ''
    url = f'"{BASE}{target}"' if '$' in target or '?' in target else f'{BASE}{target}'
    words = ['curl -s', url]
    content = op.get('requestBody', {}).get('content', {})
    if 'application/json' in content:
        media = content['application/json']
        value = next(iter(media.get('examples', {}).values()), {'value': media.get('example', {})})['value']
        if '*/*' in content:
            words.append("-H 'Content-Type: application/json'")
        words.append('-d ' + quoted(json.dumps(value, ensure_ascii=False)))
    elif content:
        words.append("-H 'Content-Type: text/plain' -d 'abc'")
    elif method == 'POST':
        words.insert(1, '-X POST')
    if method == 'DELETE':
        words.insert(1, '-X DELETE')
    return f'<pre class="curl">{html.escape(" ".join(words))}</pre>'


def operation(c, needs, method, path, item, op):
    anchor = op['operationId']
    body = op.get('requestBody')
    text = blocks(op['description']) if op.get('description') else ''
    scope, limit = needs
    text += f'<p class="dim small">{f"Needs the scope <code>{scope}</code>" if scope else "Needs no token"}'
    text += f'; a body of at most <code>{limit}</code> bytes</p>' if limit else '</p>'
    asked = ''
    if body:
        must = 'required' if body.get('required') else 'may be left out'
        asked = f'<h4>Body <span class="dim small">{must}</span></h4>{media_types(c, body["content"], True)}'
    return f'''<section class="card op" id="{anchor}" aria-labelledby="{anchor}-h">
<h3 id="{anchor}-h"><a class="self" href="#{anchor}"><span class="method {method.lower()}">{method}</span> <code>{html.escape(path)}</code></a></h3>
<p class="summary">{line(op['summary'])}</p>
{text}{curl(c, method, path, item, op)}{parameters(c, item, op)}{asked}{answers(c, op)}
</section>
'''


# ---- the two pages ----

def reference(c, styles):
    info, needs = c.spec['info'], read_needs()
    side, parts = [], []
    for group in c.spec['tags']:
        mine = [row for row in c.operations() if group['name'] in row[3]['tags']]
        side.append(listing(group['name'].capitalize(), [(op['operationId'], f'<span class="method {m.lower()}">{m}</span> {html.escape(p)}')
                                                         for m, p, _, op in mine]))
        parts.append(f'<h2 id="{group["name"]}">{group["name"].capitalize()} <small class="dim">{line(group["description"])}</small></h2>')
        parts += [operation(c, needs[row[:2]], *row) for row in mine]
    shapes = c.spec['components']['schemas']
    side.append(listing('Schemas', [(f'schema-{name}', name) for name in shapes]))
    parts.append('<h2 id="schemas">Schemas</h2>')
    parts += [schema.section(c, name, what) for name, what in shapes.items()]
    body = (f'<h1>The API of jobmill <small class="dim">{html.escape(info["version"])}</small></h1>'
            f'<p class="summary">{line(info["summary"])}</p><div class="intro">{blocks(info["description"])}'
            '<p>This page is made of <a href="/api.yaml"><code>/api.yaml</code></a> (OpenAPI 3.1), which the tests compare with what the '
            'service answers. Each error has its place in <a href="/docs/errors">the list of errors</a>.</p></div>')
    return page('API reference · jobmill', styles, '/docs', ''.join(side), body + ''.join(parts))


# of the answers that api.yaml has for several codes at once: whose each is, by the path
WHOSE = {
    'job_not_found': r'/v1/jobs/\{id\}',
    'no_result': r'/v1/jobs/\{id\}/result$',
    'group_not_found': r'/v1/groups/\{id\}',
    'schedule_not_found': r'/v1/schedules/\{name\}',
    'not_found': r'/v1/(tasks|pools)/|/assets/',
}


def given_by(c, code):
    """The operations that give it, where that can be told; an answer that has several codes does not tell."""
    codes = read_errors()

    def has(path, response):
        told = [word for word in re.findall('`([a-z_]+)`', response['description']) if word in codes]
        return code in told and (bool(re.match(WHOSE[code], path)) if code in WHOSE else len(set(told)) == 1)

    rows = [(m, p, op['operationId']) for m, p, _, op in c.operations() if any(has(p, r) for _, r in c.problems(op))]
    if len(rows) > 20:
        return ''  # any operation: nothing that would help
    return ', '.join(f'<a href="/docs#{anchor}">{m} <code>{html.escape(p)}</code></a>' for m, p, anchor in rows)


def error_list(c, styles):
    with open(f'{ROOT}/web/docs/errors.yaml', encoding='utf-8') as f:
        told = yaml.safe_load(f)
    side, parts = [], []
    errors = read_errors()
    for status in sorted({s for s, _ in errors.values()}):
        codes = [code for code, (s, _) in errors.items() if s == status]
        side.append(listing(str(status), [(code, code) for code in codes]))
        for code in codes:
            more = told.get(code, {})
            whose = given_by(c, code)
            rows = [('Means', blocks(more['means']) if 'means' in more else None),
                    ('What to do', blocks(more['do']) if 'do' in more else None), ('Given by', f'<p>{whose}</p>' if whose else None)]
            facts = ''.join(f'<dt>{k}</dt><dd>{v}</dd>' for k, v in rows if v)
            parts.append(f'<section class="card op" id="{code}" aria-labelledby="{code}-h"><h2 id="{code}-h"><a class="self" href="#{code}">'
                         f'<span class="status">{status}</span> <code>{code}</code></a></h2>'
                         f'<p class="summary">{" · ".join(html.escape(s) for s in errors[code][1])}</p><dl class="told">{facts}</dl></section>')
    body = '<h1>Errors</h1>' + blocks(told['intro'])
    return page('Errors · jobmill', styles, '/docs/errors', ''.join(side), body + ''.join(parts))


def main():
    out, sheets = sys.argv[1], sys.argv[2:]
    styles = []
    for sheet in sheets:
        with open(sheet, 'rb') as f:
            digest = hashlib.sha256(f.read()).hexdigest()[:12]
        styles.append(f'{os.path.basename(sheet).split(".")[0]}-{digest}.css')
    c = Contract()
    for name, text in (('docs', reference(c, styles)), ('errors', error_list(c, styles))):
        with open(f'{out}/{name}.html', 'w', encoding='utf-8') as f:
            f.write(text)


if __name__ == '__main__':
    main()
