#!/usr/bin/env python3
"""oracle.py NEXT [ROUNDS [SEED]] - random cron expressions, in NEXT (tests/cron/next.c) and in two other ways:
a walk over every minute with python's zoneinfo, by the rule that server/cron.h states, and python3-croniter in UTC."""
import datetime as dt
import random
import subprocess
import sys
import zoneinfo

try:
    import croniter
except ImportError:
    croniter = None

ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Sydney', 'Australia/Lord_Howe', 'America/Santiago',
         'America/Havana', 'Asia/Kathmandu', 'Africa/Casablanca', 'Europe/Dublin', 'Pacific/Apia', 'Asia/Beirut', 'UTC',
         'America/Sao_Paulo', 'Antarctica/Troll', 'America/Nuuk', 'Asia/Tehran']
RANGES = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
MINUTE = 60


def part(rng, low, high):
    kind = rng.random()
    if kind < 0.2:
        return '*', set(range(low, high + 1))
    if kind < 0.35:
        step = rng.randint(1, high)
        return f'*/{step}', set(range(low, (6 if high == 7 else high) + 1, step))
    if kind < 0.75:
        value = rng.randint(low, high)
        return str(value), {value}
    first, last = sorted((rng.randint(low, high), rng.randint(low, high)))
    if kind < 0.9:
        return f'{first}-{last}', set(range(first, last + 1))
    step = rng.randint(1, high)
    return f'{first}-{last}/{step}', set(range(first, last + 1, step))


def expression(rng):
    texts, sets = [], []
    for low, high in RANGES:
        parts = [part(rng, low, high) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        texts.append(','.join(p[0] for p in parts))
        sets.append(set().union(*(p[1] for p in parts)))
    for i in (3, 2, 4):  # mostly every day, or nothing would be seen of summer time
        if rng.random() < 0.6:
            texts[i], sets[i] = '*', set(range(RANGES[i][0], RANGES[i][1] + 1))
    sets[4] = {v % 7 for v in sets[4]}
    return texts, sets


def matches(texts, sets, local):
    day, weekday = local.day in sets[2], local.isoweekday() % 7 in sets[4]
    either = texts[2][0] != '*' and texts[4][0] != '*'
    return (local.minute in sets[0] and local.hour in sets[1] and local.month in sets[3] and
            (day or weekday if either else day and weekday))


def walk(texts, sets, zone, after, end):
    """Every run in (after, end): minute by minute, by the rule of cron.h."""
    rhythm = texts[1][0] == '*'
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
    t = (after - 86400 * 2) // MINUTE * MINUTE
    last, runs, shown = None, [], None
    while t < end:
        local = (epoch + dt.timedelta(seconds=t)).astimezone(zone).replace(tzinfo=None)
        run = False
        if last is not None and local > last + dt.timedelta(minutes=1) and not rhythm:
            missing = last + dt.timedelta(minutes=1)
            while missing < local and not run:
                run = matches(texts, sets, missing)
                missing += dt.timedelta(minutes=1)
        again = shown is not None and local <= shown
        run = run or (matches(texts, sets, local) and (rhythm or not again))
        shown = local if shown is None or local > shown else shown
        last = local
        if run and t > after:
            runs.append(t)
        t += MINUTE
    return runs


def changes(zone, rng):
    """A moment a day or so before some change of the zone's offset."""
    for _ in range(50):
        t = rng.randint(946684800, 2500000000)
        for _ in range(400):
            here = dt.datetime.fromtimestamp(t, zone).utcoffset()
            there = dt.datetime.fromtimestamp(t + 86400, zone).utcoffset()
            if here != there:
                return t - rng.randint(0, 86400)
            t += 86400
    return rng.randint(946684800, 2500000000)


def ask(next_, rows):
    lines = ''.join(f'{" ".join(texts)}\t{zone}\t{after}\t{count}\n' for texts, zone, after, count in rows)
    out = subprocess.run([next_], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(out) == len(rows)
    return out


def main():
    next_, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    cases = []
    for _ in range(rounds):
        texts, sets = expression(rng)
        name = rng.choice(ZONES)
        cases.append((texts, sets, name, changes(zoneinfo.ZoneInfo(name), rng)))
    wrong = refused = seen = 0
    span = 3 * 86400
    for case, got in zip(cases, ask(next_, [(c[0], c[2], c[3], 6000) for c in cases])):
        texts, sets, name, after = case
        if got.startswith('refused'):
            refused += 1
            if 'never match' not in got:
                wrong += 1
                print('REFUSED', ' '.join(texts), got)
            continue
        want = walk(texts, sets, zoneinfo.ZoneInfo(name), after, after + span)
        found = [int(t) for t in got.split() if int(t) < after + span]
        seen += len(want)
        if found != want:
            wrong += 1
            print('DIFFERS', ' '.join(texts), name, after, 'walk', sorted(set(want) - set(found))[:5], 'next',
                  sorted(set(found) - set(want))[:5])
    compared = 0
    if croniter:
        cases = [expression(rng) + (rng.randint(946684800, 2500000000),) for _ in range(rounds * 5)]
        # croniter has another rule for steps in a day field beside the other, and loses the first of March of */29 and more
        cases = [c for c in cases if (c[0][2] == '*' or c[0][4] == '*') and '*/7' not in c[0][4] and
                 not any(f'*/{n}' in c[0][2] for n in (29, 30, 31))]
        for (texts, _, after), got in zip(cases, ask(next_, [(c[0], 'UTC', c[2], 3) for c in cases])):
            if got.startswith('refused'):
                continue
            try:
                it = croniter.croniter(' '.join(texts), after)
                want = [int(it.get_next()) for _ in range(3)]
            except croniter.CroniterError:
                continue
            compared += 1
            if [int(t) for t in got.split()] != want:
                wrong += 1
                print('DIFFERS', ' '.join(texts), after, 'croniter', want, 'next', got)
    print(f'{rounds} expressions walked ({seen} runs, {refused} that never match), {compared} compared with croniter, '
          f'{wrong} differ')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
