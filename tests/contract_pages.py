"""contract_pages.py - the pages that the service has for people: the dashboard's files, the pages of the API with all of their
links, and what they and api.yaml give as examples, run."""
import gzip
import html
import html.parser
import json
import os
import re
import subprocess
import urllib.parse

import yaml

from contract_service import NOBODY, ROOT, SPEC, check, operations

PAGES = {}  # target -> the text of a page, then what was read of it


class PageReader(html.parser.HTMLParser):
    """Ids, links and headings of a page; `bad`: what it must not have, as a tag that is not closed."""
    EMPTY = {'meta', 'link', 'br', 'img', 'input'}
    FORBIDDEN = {'script', 'style', 'iframe', 'object', 'form', 'base', 'img'}

    def __init__(self, target, text):
        super().__init__()
        self.ids, self.links, self.headings, self.bad, self.open, self.text = [], set(), [], [], [], ''
        self.source, self.target = text, target
        self.feed(text)
        self.close()
        if self.open:
            self.bad.append(f'left open: {self.open}')

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in self.FORBIDDEN or 'style' in attrs or any(name.startswith('on') for name in attrs):
            self.bad.append(f'<{tag} {attrs}>')
        for value in (attrs.get('href'), attrs.get('src')):
            if value is None or value == 'data:,':
                continue
            if not re.match(r'#|docs|assets/|api.yaml$|\./$|\.\./', value):
                self.bad.append(f'leads elsewhere: {value}')
            self.links.add(urllib.parse.urljoin(self.target, value))
        if 'id' in attrs:
            self.ids.append(attrs['id'])
        if tag in ('h2', 'h3'):
            self.text = ''
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(f'</{tag}> closes nothing')
        if tag in ('h2', 'h3'):
            self.headings.append(self.text.strip())

    def handle_data(self, data):
        self.text += data


def live_dashboard(s):
    status, headers, page = s.ask('GET', '/', headers={'Accept': 'text/html'})
    check(status == 200 and headers['Content-Type'].startswith('text/html') and "default-src 'none'" in headers['Content-Security-Policy'], 'the page')
    status, _, _ = s.ask('GET', '/', headers={'Accept': 'text/html', 'If-None-Match': headers['ETag']})
    check(status == 304, 'the page again')
    names = re.findall(rb'"assets/([a-z0-9.-]+)', page)
    check(len(names) == 2, f'the page names its files: {names}')
    for page in ('/docs', '/docs/errors'):
        names += live_doc_page(s, page)
    for name in set(names):
        plain, _ = s.call(200, 'GET', '/assets/{file}', '/assets/' + name.decode()), None
        _, headers, packed = s.ask('GET', '/assets/' + name.decode(), headers={'Accept-Encoding': 'gzip'})
        check(headers['Content-Encoding'] == 'gzip' and gzip.decompress(packed) == plain[1], f'{name} compressed and not')
        check('immutable' in headers['Cache-Control'], f'{name} is kept')
    s.call(404, 'GET', '/assets/{file}', '/assets/app.js')


def live_doc_page(s, target):
    """A page of the API, compressed and not; gives the names of its files."""
    headers, plain = s.call(200, 'GET', target, target)
    check("default-src 'none'; style-src 'self'" in headers['Content-Security-Policy'] and 'script' not in headers['Content-Security-Policy'],
          f'{target}: a strict policy')
    s.call(304, 'GET', target, target, headers={'If-None-Match': headers['ETag']})
    packed_headers, packed = s.call(200, 'GET', target, target, headers={'Accept-Encoding': 'gzip'})
    check(packed_headers['Content-Encoding'] == 'gzip' and gzip.decompress(packed) == plain, f'{target} compressed and not')
    check(packed_headers['ETag'] != headers['ETag'], f'{target}: a tag for each coding')
    same, _ = s.call(304, 'GET', target, target, headers={'If-None-Match': packed_headers['ETag'], 'Accept-Encoding': 'gzip'})
    check(same['Content-Length'] in (None, str(len(packed))), f'{target}: 304 says {same["Content-Length"]}, and 200 has {len(packed)} bytes')
    PAGES[target] = plain.decode()
    return re.findall(rb'/assets/([a-z0-9.-]+)', plain)


def check_pages(s):
    """The pages of the API: nothing is missing, every link leads somewhere, nothing is from elsewhere."""
    codes = set(re.findall(r'^ERR\(\w+,\s*\d+,\s*"(\w+)"', open(f'{ROOT}/common/err.def', encoding='utf-8').read(), re.M))
    told = yaml.safe_load(open(f'{ROOT}/web/docs/errors.yaml', encoding='utf-8'))
    check(set(told) - {'intro'} == codes, f'web/docs/errors.yaml has the codes of err.def: {sorted((set(told) - {"intro"}) ^ codes)}')
    for code, row in told.items():
        check(code == 'intro' or set(row) == {'means', 'do'}, f'web/docs/errors.yaml: {code} has `means` and `do`')
    anchors = {}
    for target, text in PAGES.items():
        page = PageReader(target, text)
        anchors[target] = page.ids
        check(not page.bad, f'{target}: {page.bad}')
        check(len(page.ids) == len(set(page.ids)), f'{target}: ids are unique')
        PAGES[target] = page
    PAGES['/docs'].order = sorted(operations(), key=lambda row: anchors['/docs'].index(row[3]['operationId']))
    for method, path, _, op in operations():
        check(op['operationId'] in anchors['/docs'], f'/docs has {op["operationId"]}')
        check(f'{method} {path}' in PAGES['/docs'].headings, f'/docs has {method} {path}')
    for name in SPEC['components']['schemas']:
        check(f'schema-{name}' in anchors['/docs'], f'/docs has the schema {name}')
    check(codes <= set(anchors['/docs/errors']), f'/docs/errors has {sorted(codes - set(anchors["/docs/errors"]))}')
    for code, want in (('schedule_not_found', '/v1/schedules/{name}'), ('job_not_found', '/v1/jobs/{id}'), ('unknown_dependency', None)):
        section = re.search(rf'<section [^>]*id="{code}".*?</section>', PAGES['/docs/errors'].source, re.S).group(0)
        paths = re.findall(r'<a href="[^"]*docs#\w+">\w+ <code>([^<]*)</code>', section)
        check(all(want and p.startswith(want) for p in paths) and bool(paths) == bool(want), f'/docs/errors: {code} is given by {paths}')
    for target, page in PAGES.items():
        for link in sorted(page.links):
            path, _, anchor = link.partition('#')
            path = path or target
            if anchor:
                check(anchor in anchors.get(path, ()), f'{target}: {link} is an anchor')
            elif path not in PAGES:
                status, _, _ = s.ask('GET', path, headers={'Accept': 'text/html'})
                check(status == 200, f'{target}: {link} answers {status}')


def run_curl_lines(s):
    """Each line of curl on the page does what its operation does: nothing of it is refused as wrong."""
    lines = re.findall(r'<pre class="curl">(.*?)</pre>', PAGES['/docs'].source, re.S)
    check(len(lines) == len(list(operations())), f'{len(lines)} lines of curl')
    for (method, path, _, op), text in zip(PAGES['/docs'].order, lines):
        text = html.unescape(text).replace('http://127.0.0.1:8080', f'http://127.0.0.1:{s.port}')
        done = subprocess.run(['sh', '-c', text + ' -o /dev/null -w "%{http_code} %{method} %{url_effective}"'], capture_output=True, text=True,
                              timeout=90, check=False, env={**os.environ, 'id': NOBODY, 'file': 'x'})
        status, did, url = (done.stdout + '   ').split(' ')[:3]
        where = url.split(str(s.port))[-1].split('?')[0]
        check(did == method and re.fullmatch(re.sub(r'\\{\w+\\}', '[^/]+', re.escape(path)), where), f'{text}: is {method} {path}')
        check(status in op['responses'] and status not in ('400', '413', '422'), f'{text}: answers {status}')


def live_examples(s):
    media = SPEC['paths']['/v1/jobs']['post']['requestBody']['content']['application/json']
    for example in media['examples'].values():
        s.call(202, 'POST', '/v1/jobs', '/v1/jobs', json.dumps(example['value']))
    media = SPEC['paths']['/v1/jobs/batch']['post']['requestBody']['content']['application/json']
    for example in media['examples'].values():
        s.call(202, 'POST', '/v1/jobs/batch', '/v1/jobs/batch', json.dumps(example['value']))


PARTS = (live_dashboard, check_pages, run_curl_lines, live_examples)
