#!/usr/bin/env python3
"""uncovered.py COVERAGE.json - why the lines and branches that `make coverage` did not see were not run, by kind and by the words around them.

The kinds are told by the file, or by the words of the line and the four before it within its function: what allocates, calls the system, calls
SQLite. What fits none is "other": a test could reach it. Of a condition only the branch that was never taken counts.
"""
import collections
import json
import re
import sys

# in processes that write no counters: they end by exec or are killed, or may write no file
UNSEEN = ('workers/namespace.c', 'workers/landlock.c', 'workers/filter.c', 'workers/limits.c', 'workers/child.c', 'workers/sandbox.c')
KINDS = (
    ('an allocation fails', r'NOMEM|no memory|out of memory|alloc\(|strdup|asprintf|\.failed|->failed|_new\(|if \(!\w+(->\w+)?\)$|OOM|open_memstream'),
    ('a statement or file of SQLite fails', r'SQLITE|sqlite3_|\brc\b|-ERR_IO|ERR_STORE|ERR_FULL|statement|store_'),
    ('a system or library call fails', r'errno|strerror|< 0\b|== -1|EINTR|EAGAIN|log_die|log_errno|perror|pthread_|MHD_|gnutls|fopen|_exit|ERR_CLOSED|ERR_PROTOCOL|setsockopt|epoll|timerfd|'
                                       r'fork|curl_'),
    ('an error is handed on', r'if \(err\)|if \(err |err \?|return err|if \(!err|\|\| err|err = |goto |-ERR_\w+\)'),
)


def kind_of(path, source, line):
    if path in UNSEEN:
        return 'in a child before its program, or in a sandbox'
    words = []
    for at in range(line - 1, max(-1, line - 6), -1):
        words.append(source[at])
        if at < line - 1 and source[at].startswith(('}', '{')):
            break
    text = '\n'.join(reversed(words))
    return next((name for name, pattern in KINDS if re.search(pattern, text, re.M)), 'other')


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        files = json.load(f)['files']
    lines, branches, of_lines, of_branches = collections.Counter(), collections.Counter(), 0, 0
    other = collections.Counter()
    for file in files:
        with open(file['file'], encoding='utf-8') as f:
            source = f.read().split('\n')
        for line in file['lines']:
            if line.get('gcovr/noncode'):
                continue
            of_lines += 1
            of_branches += len(line['branches'])
            missed = sum(b['count'] == 0 for b in line['branches'])
            if line['count'] and not missed:
                continue
            kind = kind_of(file['file'], source, line['line_number'])
            branches[kind] += missed
            if not line['count']:
                lines[kind] += 1
                other[file['file']] += kind == 'other'
    print(f'not run: {sum(lines.values())} of {of_lines} lines, {sum(branches.values())} of {of_branches} branches')
    for kind in sorted(branches, key=lambda k: -branches[k]):
        print(f'{lines[kind]:6} lines {branches[kind]:6} branches  {kind}')
    print('most other lines:', ', '.join(f'{name} {n}' for name, n in other.most_common(8) if n))


if __name__ == '__main__':
    main()
