#!/usr/bin/env python3
"""sbom.py BUILD VERSION - what jobmill is made of, as an SPDX 2.3 document (JSON) on standard output.

Debian's packages: those whose libraries BUILD/jobmill and the shipped tasks are linked with (asked of the loader and of dpkg), those that are loaded
or read when they are there, and the lists of install-deps.sh. npm's: the lock files, with their checksums; what is bundled into the dashboard is
contained. The same tree and the same packages give the same bytes.
"""
import base64
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import time

# what the service or its client opens by name
OPTIONAL = {'libcurl3-gnutls': 'OPTIONAL_DEPENDENCY_OF', 'tzdata': 'RUNTIME_DEPENDENCY_OF'}
# lists of install-deps.sh, and lock files, by what they are for; what is in several is told once, by the first
LISTS = (('build', 'BUILD_DEPENDENCY_OF'), ('test', 'TEST_DEPENDENCY_OF'), ('lint', 'DEV_TOOL_OF'))
LOCKS = (('web', 'BUILD_TOOL_OF'), ('tests/web', 'TEST_TOOL_OF'), ('tests/property', 'TEST_TOOL_OF'), ('tests/webhook', 'TEST_TOOL_OF'), ('bench/peers', 'DEV_TOOL_OF'))


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dpkg(name):
    """-> version, source package, architecture; None: it is not installed."""
    got = subprocess.run(('dpkg-query', '-W', '-f', '${db:Status-Status}\t${Version}\t${source:Package}\t${Architecture}\n', name), capture_output=True, text=True)
    rows = [line.split('\t') for line in got.stdout.splitlines()]
    return next((row[1:] for row in rows if row[0] == 'installed'), None)


def linked(build):
    """The packages of all shared objects that the loader would bring."""
    paths = set()
    for program in [f'{build}/jobmill', *sorted(glob.glob(f'{build}/tasks/*.so'))]:
        paths |= set(re.findall(r'(/\S+) \(0x', run('ldd', program)))
    names = set()
    for path in paths:
        real = os.path.realpath(path)
        for one in (path, real, real.removeprefix('/usr')):  # /lib may be /usr/lib
            got = subprocess.run(('dpkg', '-S', one), capture_output=True, text=True)
            if got.returncode == 0:
                names.add(re.match(r'[^:,]+', got.stdout)[0])
                break
        else:
            sys.exit(f'sbom: no package has {path}')
    return names


def licences(name):
    """As Debian writes them, which is not as SPDX does: told in words."""
    try:
        with open(f'/usr/share/doc/{name}/copyright', encoding='utf-8', errors='replace') as f:
            found = sorted(set(re.findall(r'^License: *(\S.*)$', f.read(), re.M)))
    except OSError:
        found = []
    return f"Debian's copyright file names: {', '.join(found)}" if found else None


class Document:
    def __init__(self, version):
        self.packages, self.relations, self.ids = [], [], set()
        self.main = self.add('jobmill', version, None, licence='MIT', purpose='APPLICATION')
        self.relations.append(('SPDXRef-DOCUMENT', 'DESCRIBES', self.main))

    def add(self, name, version, purl, licence=None, purpose='LIBRARY', checksums=(), comment=None, kind=''):
        ident = 'SPDXRef-' + re.sub(r'[^A-Za-z0-9.-]', '-', f'{kind}{name}{"-" + version if kind == "npm-" else ""}')
        if ident in self.ids:
            return None
        self.ids.add(ident)
        package = {'SPDXID': ident, 'name': name, 'downloadLocation': 'NOASSERTION', 'filesAnalyzed': False, 'licenseConcluded': licence or 'NOASSERTION',
                   'licenseDeclared': licence or 'NOASSERTION', 'copyrightText': 'NOASSERTION', 'primaryPackagePurpose': purpose}
        if version:
            package['versionInfo'] = version
        if purl:
            package['externalRefs'] = [{'referenceCategory': 'PACKAGE-MANAGER', 'referenceType': 'purl', 'referenceLocator': purl}]
        if checksums:
            package['checksums'] = [{'algorithm': a, 'checksumValue': v} for a, v in checksums]
        if comment:
            package['licenseComments'] = comment
        self.packages.append(package)
        return ident

    def debian(self, name, relation):
        found = dpkg(name)
        version, source, arch = found or (None, None, None)
        purl = f'pkg:deb/debian/{name.replace("+", "%2B")}' + (f'@{version.replace("+", "%2B").replace(":", "%3A")}?arch={arch}' if found else '')
        ident = self.add(name, version, purl, comment=licences(name) if found else None, kind='deb-')
        if ident and source and source != name:
            self.packages[-1]['sourceInfo'] = f'built from the Debian source package {source}'
        if ident:
            self.relate(ident, relation)

    def npm(self, folder, relation):
        with open(f'{folder}/package-lock.json', encoding='utf-8') as f:
            lock = json.load(f)
        for path, p in sorted(lock['packages'].items()):
            if not path:
                continue
            name = path.rsplit('node_modules/', 1)[1]
            sums = [(a.upper(), base64.b64decode(v).hex()) for a, v in (s.split('-', 1) for s in p.get('integrity', '').split())]
            purl = f'pkg:npm/{name.replace("@", "%40")}@{p["version"]}'
            bundled = folder == 'web' and not p.get('dev')
            ident = self.add(name, p['version'], purl, licence=p.get('license'), checksums=sums, kind='npm-')
            if ident and bundled:
                self.relations.append((self.main, 'CONTAINS', ident))
            elif ident:
                self.relate(ident, relation)

    def relate(self, ident, relation):
        self.relations.append((self.main, relation, ident) if relation == 'DEPENDS_ON' else (ident, relation, self.main))


def created():
    seconds = os.environ.get('SOURCE_DATE_EPOCH')
    if not seconds:
        got = subprocess.run(('git', 'log', '-1', '--format=%ct'), capture_output=True, text=True)
        seconds = got.stdout.strip() or time.time()
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(int(seconds)))


def main():
    build, version = sys.argv[1:]
    document = Document(version)
    with open(f'{build}/jobmill', 'rb') as f:
        document.packages[0]['checksums'] = [{'algorithm': 'SHA256', 'checksumValue': hashlib.sha256(f.read()).hexdigest()}]
    for name in sorted(linked(build)):
        document.debian(name, 'DEPENDS_ON')
    for name, relation in sorted(OPTIONAL.items()):
        document.debian(name, relation)
    for name, relation in LISTS:
        for package in run('./install-deps.sh', name, 'list').split():
            document.debian(package, relation)
    for folder, relation in LOCKS:
        document.npm(folder, relation)
    body = {'packages': document.packages,
            'relationships': [{'spdxElementId': a, 'relationshipType': r, 'relatedSpdxElement': b} for a, r, b in document.relations]}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    print(json.dumps({'spdxVersion': 'SPDX-2.3', 'dataLicense': 'CC0-1.0', 'SPDXID': 'SPDXRef-DOCUMENT', 'name': f'jobmill-{version}',
                      'documentNamespace': f'urn:jobmill:sbom:{digest}', 'creationInfo': {'created': created(), 'creators': ['Tool: sbom.py']}, **body}, indent=1))


if __name__ == '__main__':
    main()
