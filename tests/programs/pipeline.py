"""pipeline.py JOURNAL [URL] - the work of tests/pipelines.py: kept warm, or with a URL as a remote worker.

A job {"n": N, "rounds": R} hashes for a while; {"n": N, "bad": true} fails for good. Each start and each end of an
attempt is a line in JOURNAL, whole because it is one write.
"""
import hashlib
import os
import sys

JOURNAL = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


def note(job_id, attempt, what):
    os.write(JOURNAL, f'{job_id} {attempt} {what}\n'.encode())


def compute(n, rounds):
    digest = str(n).encode()
    for _ in range(rounds):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()


def work(given, job_id, attempt, error, tell):
    note(job_id, attempt, 'begun')
    tell(0.5)
    if given.get('bad'):
        note(job_id, attempt, 'done')
        raise error(f'{given["n"]} is bad', code='bad_number', permanent=True)
    result = {'n': given['n'], 'digest': compute(given['n'], given['rounds']), 'attempt': attempt}
    note(job_id, attempt, 'done')
    return result


def warm():
    import jobmill
    jobmill.serve(lambda job: work(job.input, job.id, job.attempt, jobmill.Error, job.progress))


def remote():
    import remote_worker
    remote_worker.URL, remote_worker.TASKS = sys.argv[2], ['remote']
    remote_worker.work = lambda job, tell, *_: work(job['input'], job['id'], job['attempt'], remote_worker.Error, tell)
    remote_worker.main()


if __name__ == '__main__':
    if len(sys.argv) > 2:
        remote()
    else:
        warm()
