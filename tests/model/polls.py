"""polls.py - what GET /v1/jobs/{id} may answer, watched on several connections while the model's calls change the jobs.

An entity tag names one body of a job, and a body has one tag; 304 comes for the tag that was asked with, 200 never has it. What was
acknowledged is seen by every GET that begins after it, on every connection: the body that the change replaced is not told again, and what
was deleted is gone.
"""
import http.client
import json
import random
import threading

WATCHERS = 3
EACH_STEP = 15  # jobs looked at by the model itself


class Polls:
    def __init__(self, wrong):
        self.wrong = wrong  # called with what was not as promised
        self.lock = threading.Lock()
        self.body, self.tag = {}, {}  # (id, tag) -> body, (id, body) -> tag
        self.over = {}  # id -> tags that no GET may tell any more
        self.gone = set()
        self.ids = []
        self.count = self.not_modified = 0
        self.going = threading.Event()
        self.resting = threading.Barrier(WATCHERS + 1)
        self.end = False
        self.port = 0
        self.threads = [threading.Thread(target=self.watch, args=(n,), daemon=True) for n in range(WATCHERS)]
        for t in self.threads:
            t.start()

    # ---- one look ----

    def get(self, connection, ident, if_none_match=None):
        """The tag and the body; None, None: not there. Checks all that this answer alone can tell."""
        over, gone = self.over.get(ident, ()), ident in self.gone  # before it is asked
        connection.request('GET', f'/v1/jobs/{ident}', headers={'If-None-Match': if_none_match} if if_none_match else {})
        answer = connection.getresponse()
        data, tag = answer.read(), answer.headers['ETag']
        with self.lock:
            self.count += 1
            self.not_modified += answer.status == 304
        if answer.status == 404:
            return None, None
        if gone:
            self.wrong(f'{ident} was deleted, and is told: {data}')
        if answer.status == 304:
            if tag != if_none_match or data:
                self.wrong(f'304 with {tag} for {if_none_match}, {data}')
        elif answer.status != 200 or not tag or tag == if_none_match:
            self.wrong(f'{answer.status} with {tag} for {if_none_match}')
        else:
            with self.lock:
                if self.body.setdefault((ident, tag), data) != data or self.tag.setdefault((ident, data), tag) != tag:
                    self.wrong(f'{ident}: {tag} is {self.body[ident, tag]} and {data}')
        if tag in over:
            self.wrong(f'{ident}: what was before an acknowledged change is told: {self.body.get((ident, tag))}')
        return tag, self.body.get((ident, tag))

    # ---- the watchers ----

    def watch(self, n):
        rng, connection, last = random.Random(n), None, {}
        while True:
            if not self.going.is_set():
                if connection:
                    connection.close()
                connection = None
                self.resting.wait()
                self.going.wait()
                if self.end:
                    return
                last = {}
            ids = self.ids
            if not ids:
                self.going.wait(0.001)
                continue
            ident = rng.choice(ids[-40:])
            try:
                connection = connection or http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
                last[ident], _ = self.get(connection, ident, last.get(ident) if rng.random() < 0.5 else None)
            except (OSError, http.client.HTTPException) as error:
                if self.going.is_set():
                    self.wrong(f'a watcher: {error}')

    def start(self, port):
        self.port = port
        self.going.set()

    def stop(self):
        """No watcher asks anything until the next start."""
        if self.going.is_set():
            self.going.clear()
            self.resting.wait()

    def finish(self):
        self.stop()
        self.end = True
        self.going.set()
        for t in self.threads:
            t.join()

    def forget(self):
        """A new sequence: other jobs."""
        self.ids, self.over, self.gone = [], {}, set()
        with self.lock:
            self.body, self.tag = {}, {}

    # ---- what the model tells ----

    def before(self, connection, ident):
        """What is told of a job before a call that may change it; the tags that were over may come again by it."""
        self.over[ident] = ()
        return self.get(connection, ident)[0]

    def changed(self, connection, ident, tag):
        """The change was acknowledged: nobody may see what `tag` names."""
        self.over[ident] = (tag,)
        self.get(connection, ident)

    def deleted(self, connection, ident):
        self.gone.add(ident)
        self.get(connection, ident)

    def look(self, connection, ids, rng):
        self.ids = ids
        for ident in rng.sample(ids, min(len(ids), EACH_STEP)):
            tag, body = self.get(connection, ident)
            if tag and json.loads(body)['state'] in ('succeeded', 'failed', 'cancelled', 'expired'):
                again, _ = self.get(connection, ident, tag)
                if again != tag:  # only another call changes it, and there is none
                    self.wrong(f'{ident} has ended, and its tag is {tag} and then {again}')
