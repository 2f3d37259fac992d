#!/bin/sh
# docs/gen-configuration.sh JOBMILL - prints docs/configuration.md from the settings' own table.
set -eu
cat <<'TEXT'
# Configuration

An INI file, named by `--config` or `JOBMILL_CONFIG`. Flags are stronger than `JOBMILL_*` variables, these than the file, the
file than the defaults. Times are seconds, or have a unit (`500ms`, `30s`, `5m`, `1h`, `2d`); sizes are bytes, or have one
(`64KiB`, `1MiB`). What is not known is an error. `jobmill check-config` prints what holds.

## [server]

| setting | default | range | what it is |
|---|---|---|---|
TEXT
"$1" help | awk '
/^  --/ && !/--config/ {
    name = substr($1, 3); gsub(/-/, "_", name)
    line = $0; sub(/^[^(]*\(default /, "", line); sub(/\)$/, "", line)
    def = line; range = ""
    if ((i = index(line, ", ")) > 0) { def = substr(line, 1, i - 1); range = substr(line, i + 2) }
    getline; sub(/^ +/, ""); printf "| `%s` | %s | %s | %s |\n", name, def, range, $0
}'
cat <<'TEXT'

## [pool NAME]

| setting | default | what it is |
|---|---|---|
| `workers` | one for each core | processes, 1 to 512; read anew by SIGHUP |
| `max_workers` | twice `workers`, at least 8 more | how many SIGHUP can give it; of all pools together at most 512, and what is not set gets what is left |
| `start_method` | `forkserver` | `spawn`: a fresh image for each worker, for libraries that do not survive fork |
| `nice` | 0 | -20 to 19, of its workers and what they start; below 0 needs the right to it |
| `affinity` | any | the CPUs that its workers and what they start run on, as in `0-3,6`; one that the service may not use is refused at start |
| `recycle_jobs` | 0 (never) | a worker is replaced when it has had so many jobs, at most |
| `recycle_after` | 0 (never) | a worker is replaced after so long, between two jobs; idle ones one after the other |

The pool `default` is always there; `--workers` is its size. `workers` not given is one for each CPU of `affinity`.

A new `workers` holds from the next SIGHUP on: more are started at once; of too many the idle ones go, the busy ones when they have
ended their job. No running job is touched. More than `max_workers` is refused: the pool keeps its size, and the log says so.

## [task NAME]

A name is 1 to 64 of `a-z 0-9 _ . -`. A task has a `module` or a `command`. All of it, with examples: `tasks.md`.

| setting | default | what it is |
|---|---|---|
| `kind` | by what it has | `remote`: its jobs are leased by workers elsewhere (docs/tasks.md); `module` and `command` say what is plain |
| `module` | | path of a shared object against `include/jobmill_task.h`, from the file's directory |
| `command` | | words, with '…' and "…" where needed, never a shell; `{input.x}` is replaced by the field `x` of the input, `{config_dir}` by the directory of this file |
| `pool` | `default` | where it runs |
| `input` | `json` | `raw`: the submitted bytes as they are |
| `result` | `json` | what standard output is: `json`, `text`, or a content type |
| `input_schema` | | path of a JSON Schema that inputs must fit, from the file's directory; see `schema.md` |
| `timeout` | 0 (none) | for each attempt |
| `max_attempts` | the setting of [server] | attempts of a job that does not say |
| `memory` | 0 (no limit) | address space: of each process of a command; of a module what a job adds to its worker's |
| `cpu_time` | 0 (no limit) | CPU time of each process of a job, in whole seconds; more ends it with `cpu_limit` |
| `file_size` | 0 (no limit) | bytes of each file that a job writes; more ends it with `file_limit` |
| `open_files` | 0 (no limit) | descriptors of each process of a job, at least 16 |
| `processes` | 0 (no limit) | of a command in a sandbox: processes and threads, all together |
| `sandbox` | that of [server]; of a module `none` | `none`, `basic`, `strict`, or `best`, the strongest that works; see `sandbox.md` |
| `network` | `no` in a sandbox, else `yes` | sockets beyond this machine's own |
| `read`, `write` | | paths that a sandbox lets the task read, or also write, from the file's directory |
| `output_max` | 64MiB | a larger result fails the job with `bad_result` |
| `concurrency` | 0 (no limit) | jobs of it that run at once |
| `key_concurrency` | 1 | of its jobs with the same `concurrency_key` so many run at once |
| `rate` | 0 (no limit) | jobs that begin in a time, as `10/s`, `100/m`, `5000/h` |
| `burst` | 1 | of these at once, after a pause |
| `backoff` | by `retry_delay` and `retry_delay_max` | pauses between attempts of a job that does not say: `exponential 1s 1h`, `fixed 5s`, `list 1s 10s 1m` |
| `keep_for`, `keep_max` | those of [server] | how long, and how many of, its ended jobs are kept |
| `description` | | for `GET /v1/tasks` |
| `env.NAME` | | a variable of a command's environment; `{config_dir}` as above |
| `result_file` | | a file of the job's directory that is the result, instead of standard output (which then is log) |
| `persistent` | no | the command is kept warm: it gets jobs on descriptor 3, one JSON object a line, and answers on descriptor 4 |
| `spares` | 1 | of a persistent command: programs that each worker starts ahead, 0 to 4 |
| `ready_timeout` | 10s | of a persistent command: from its start until it says that it is ready |
| `recycle_jobs` | 0 (never) | of a persistent command: a program is replaced after so many jobs |
| `recycle_after` | 0 (never) | of a persistent command: a program that has had a job is replaced after so long |
| `recycle_memory` | 0 (never) | of a persistent command: a program is replaced when it is larger than this after a job, in bytes resident |
| `permanent_exit_codes` | | as in `2, 64-78`: a job that ends with one of these is not tried again |

A command gets `PATH`, `HOME`, `USER`, `LANG`, `LC_ALL`, `TZ` and `TMPDIR` as the service has them, its own `env.NAME` settings,
`JOBMILL_JOB_ID`, `JOBMILL_TASK`, `JOBMILL_ATTEMPT` and `JOBMILL_DIR`, `TRACEPARENT` where the submission had one, and nothing else; a fresh private directory, removed after; its
input on standard input. Its standard error is the job's log; a line that begins with `<3>` (0 to 3: error, 4: warning, 7: debug) or
with `ERROR:`, `WARNING:`, `DEBUG:` has that level. Exit status 0 is success. It may write JSON lines to descriptor 4:
`{"progress":{"fraction":0.5,"message":"half"}}`, `{"result":…}` or `{"result_file":"NAME","type":"image/png"}` (stand before standard
output), `{"error":{"code":"…","message":"…","permanent":true}}`.

## [token NAME]

| setting | default | what it is |
|---|---|---|
| `hash` | | `sha256:` and 64 digits, as `jobmill token` prints it; two with a comma between them for rotation |
| `scopes` | | some of `read`, `submit`, `control`, `work`, `admin` |
| `tasks` | all | those that it may submit to |
| `read_all` | `no` | whether it sees the jobs of other tokens; changing them needs `admin` |
| `expires` | never | a time such as `2027-01-01T00:00:00Z` |

Read anew by SIGHUP; see security.md.
TEXT
