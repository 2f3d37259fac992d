#!/usr/bin/env python3
"""contract.py JOBMILL - api.yaml against route.def and err.def, both ways, and against what the running
service answers: every documented operation is called, every answer must be one that the contract allows.
"""
import json
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import jsonschema
import yaml

failures = []


def check(ok, what):
    if not ok:
        failures.append(what)
        print("contract: " + what, file=sys.stderr)


def routes():
    text = open("server/http/route.def", encoding="utf-8").read()
    return {(m.lower(), p) for m, p in re.findall(r'^ROUTE\((\w+),\s*"([^"]+)"', text, re.M)}


def codes():
    text = open("common/err.def", encoding="utf-8").read()
    return {(int(status), code) for status, code in re.findall(r'^ERR\(\w+,\s*(\d+),\s*"(\w+)"', text, re.M)}


def operations(doc):
    return {(m, p) for p, item in doc["paths"].items() for m in item if m in ("get", "post", "put", "delete", "patch")}


def resolve(doc, node):
    while "$ref" in node:
        target = doc
        for part in node["$ref"].lstrip("#/").split("/"):
            target = target[part]
        node = target
    return node


def references(doc, node):
    if isinstance(node, dict):
        for k, v in node.items():
            if k == "$ref":
                try:
                    resolve(doc, {"$ref": v})
                except (KeyError, TypeError):
                    check(False, "a reference to nothing: " + v)
            else:
                references(doc, v)
    elif isinstance(node, list):
        for v in node:
            references(doc, v)


class Service:
    def __init__(self, binary):
        self.dir = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.dir.name + "/data", "--workers", "2"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        self.base = line.split()[-1]

    def stop(self):
        self.process.terminate()
        check(self.process.wait(60) == 0, "the service did not end in good order")
        self.dir.cleanup()

    def call(self, method, path, body=None, headers=None):
        r = urllib.request.Request(self.base + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(r, timeout=60) as a:
                return a.status, dict(a.headers), a.read()
        except urllib.error.HTTPError as a:
            return a.code, dict(a.headers), a.read()


def judge(doc, method, pattern, answer):
    """An answer must be documented: its status, its headers' types, its content type, its body."""
    status, headers, body = answer
    where = "%s %s -> %d" % (method.upper(), pattern, status)
    answers = doc["paths"][pattern][method]["responses"]
    found = answers.get(str(status)) or (answers.get("default") if status >= 400 else None)
    check(found is not None, where + " is not in the contract")
    if found is None:
        return None
    found = resolve(doc, found)
    content = found.get("content", {})
    kind = headers.get("Content-Type", "").split(";")[0]
    if not content:
        check(not body, where + " has a body, the contract says none")
        return None
    check(kind in content or "*/*" in content, where + " has the content type %s" % kind)
    schema = content.get(kind, {}).get("schema")
    value = None
    if kind.endswith("json"):
        value = json.loads(body)
        if schema:
            full = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": doc["components"], **schema}
            try:
                jsonschema.Draft202012Validator(full).validate(value)
            except jsonschema.ValidationError as e:
                check(False, "%s: %s at %s" % (where, e.message[:200], "/".join(map(str, e.absolute_path))))
    if status >= 400:
        check(kind == "application/problem+json", where + " is no problem document")
        check(value and value.get("status") == status, where + " names another status")
        check((status, value.get("code")) in codes(), where + " has the unlisted code %s" % value.get("code"))
    return value


def calls(doc, service):
    """Each row: method, pattern, path, body, headers, the status that must come."""
    done = set()

    def go(method, pattern, path, want, body=None, headers=None):
        done.add((method, pattern))
        answer = service.call(method.upper(), path, body, headers)
        check(answer[0] == want, "%s %s answered %d, not %d: %s" % (method.upper(), path, answer[0], want, answer[2][:300]))
        value = judge(doc, method, pattern, answer)
        return answer, value

    jobs = "/v1/jobs"
    _, job = go("post", jobs, jobs + "?wait=30", 200, b'{"task":"primes","input":{"limit":100},"tags":["a"],"timeout":5,"priority":1}')
    one = jobs + "/" + job["id"]
    for path, pattern in ((one, jobs + "/{id}"), (one + "/result", jobs + "/{id}/result"), (one + "/input", jobs + "/{id}/input"),
                          (jobs, jobs), ("/v1/tasks", "/v1/tasks"), ("/v1/tasks/primes", "/v1/tasks/{task}"), ("/v1/workers", "/v1/workers"),
                          ("/api.yaml", "/api.yaml"), ("/", "/"), ("/v1/stats", "/v1/stats"), ("/healthz", "/healthz"), ("/readyz", "/readyz")):
        answer, _ = go("get", pattern, path, 200)
        tag = answer[1].get("ETag")
        documented = "304" in doc["paths"][pattern]["get"]["responses"]
        check(bool(tag) == documented, "GET %s: ETag is %s, 304 is %s" % (pattern, tag, documented))
        if tag and pattern != "/v1/workers":
            go("get", pattern, path, 304, headers={"If-None-Match": tag})
        go("get", pattern, path + "?nonsense=1", 400)
    go("post", jobs, jobs, 202, b'{"task":"noop"}', {"Idempotency-Key": "k"})
    answer, _ = go("post", jobs, jobs, 202, b'{"task":"noop"}', {"Idempotency-Key": "k"})
    check(answer[1].get("Idempotency-Replayed") == "true", "a replay is not marked")
    go("post", jobs, jobs, 422, b'{"task":"sleep"}', {"Idempotency-Key": "k"})
    go("post", jobs, jobs + "?wait=30", 200, b'{"task":"primes","input":{"limit":"x"}}')
    go("post", jobs, jobs, 202, b'{"task":"noop","delay":100}')
    go("get", jobs, jobs + "?state=failed&limit=5", 200)
    for body in (b"", b"{", b"[]", b'{"task":7}', b'{"task":"noop","priority":1e9}', b'{"task":"noop","x":1}', b"{}"):
        go("post", jobs, jobs, 400, body)
    go("post", jobs, jobs, 422, b'{"task":"none"}')
    go("post", "/v1/tasks/{task}/jobs", "/v1/tasks/echo/jobs?wait=30&tag=x", 200, b"bytes", {"Content-Type": "application/octet-stream"})
    go("post", "/v1/tasks/{task}/jobs", "/v1/tasks/echo/jobs", 202, b"bytes", {"Content-Type": "text/plain"})
    go("post", "/v1/tasks/{task}/jobs", "/v1/tasks/none/jobs", 422, b"x")
    _, slow = go("post", jobs, jobs + "?wait=0.01", 202, b'{"task":"sleep","input":{"seconds":60}}')
    go("get", jobs + "/{id}", jobs + "/" + slow["id"], 200)
    go("get", jobs + "/{id}/result", jobs + "/" + slow["id"] + "/result", 409)
    go("get", "/v1/workers", "/v1/workers", 200)
    go("post", jobs + "/{id}/cancel", jobs + "/" + slow["id"] + "/cancel?wait=30", 200)
    go("post", jobs + "/{id}/cancel", one + "/cancel", 409)
    go("get", jobs + "/{id}/result", jobs + "/" + slow["id"] + "/result", 404)
    go("get", jobs + "/{id}", jobs + "/0193588a-0000-7000-8000-000000000000", 404)
    for name, value in doc["paths"][jobs]["post"]["requestBody"]["content"]["application/json"].get("examples", {}).items():
        go("post", jobs, jobs, 202, json.dumps(value["value"]).encode())
    return done


def main():
    doc = yaml.safe_load(open("api.yaml", encoding="utf-8"))
    references(doc, doc)
    have, said = routes(), operations(doc)
    for m, p in sorted(have - said):
        check(False, "api.yaml lacks %s %s" % (m.upper(), p))
    for m, p in sorted(said - have):
        check(False, "route.def lacks %s %s" % (m.upper(), p))
    listed = set(doc["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
    check(listed == {c for _, c in codes()}, "the codes of api.yaml and err.def differ: %s" % (listed ^ {c for _, c in codes()}))
    names = [o.get("operationId") for item in doc["paths"].values() for m, o in item.items() if m in ("get", "post")]
    check(len(set(names)) == len(names) and all(names), "each operation has a name of its own")
    service = Service(sys.argv[1])
    try:
        missing = said - calls(doc, service)
        check(not missing, "not called: %s" % missing)
        answer = service.call("GET", "/api.yaml")
        check(answer[2] == open("api.yaml", "rb").read(), "the served contract is another one")
    finally:
        service.stop()
    print("contract: %s" % ("in order" if not failures else "%d faults" % len(failures)))
    return 1 if failures else 0


sys.exit(main())
