#!/usr/bin/env python3
"""A task as a script: counts the words of {"text": "…"}. Input on stdin, result on stdout, log on stderr;
progress, if any, as JSON lines on descriptor 4."""
import collections
import json
import os
import sys

text = json.load(sys.stdin)["text"]
words = text.lower().split()
print("counting %d words" % len(words), file=sys.stderr)
os.write(4, b'{"progress":{"fraction":0.5,"message":"counting"}}\n')
json.dump(dict(collections.Counter(words).most_common(10)), sys.stdout)
