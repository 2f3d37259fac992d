#!/bin/sh
# docs/gen-configuration.sh JOBMILL - prints docs/configuration.md from the settings' own table.
set -eu
cat <<'TEXT'
# Configuration

The configuration is an INI file, named by `--config` or `JOBMILL_CONFIG`; there need not be one. Each setting of `[server]` is also a flag
(`max_body` is `--max-body 2MiB` or `--max-body=2MiB`) and a variable (`JOBMILL_MAX_BODY`). A flag overrides the variable, the variable the file, the
file the default. `jobmill check-config` prints the values in force, refuses what `serve` would refuse, and warns of
programs, modules and tasks of tokens that are not there. An unknown name is an error; an unknown variable `JOBMILL_…` is ignored with a
warning, as others set such.

- **Times** are seconds, or have a unit: `500ms`, `30s`, `5m`, `1h`, `2d`.
- **Sizes** are bytes, or have a unit: `64KiB`, `1MiB`, `2GiB`.
- **Yes or no** is `yes`, `true`, `on` or `1`, or `no`, `false`, `off` or `0`. A flag alone means yes: `--insecure`.
- `;` begins a comment, at the start of a line or after a blank.

## [server]

| setting | default | range | what it is |
|---|---|---|---|
TEXT
"$1" help | awk '
/^  --/ && !/--config/ {
    name = substr($1, 3); gsub(/-/, "_", name)
    line = $0; sub(/^[^(]*\(default /, "", line); sub(/\)$/, "", line)
    def = line; range = ""
    if (line ~ /^"/) def = line == "\"\"" ? "" : "`" substr(line, 2, length(line) - 2) "`"
    else if ((i = index(line, ", ")) > 0) { def = substr(line, 1, i - 1); range = substr(line, i + 2) }
    getline; sub(/^ +/, ""); printf "| `%s` | %s | %s | %s |\n", name, def, range, $0
}'
cat <<'TEXT'

## [pool NAME]

A name is 1 to 32 of `a-z 0-9 _ . -`, the first a letter or digit.

| setting | default | what it is |
|---|---|---|
| `workers` | 0 | processes, 0 (one for each core, or fewer where a cgroup bounds the CPU time) to 512; read again at SIGHUP |
| `max_workers` | twice `workers`, at least 8 more | how far SIGHUP can enlarge it. All pools together have at most 512; pools that do not set it share what is left |
| `start_method` | `forkserver` | `spawn`: a fresh process image for each worker, for libraries that do not survive fork |
| `nice` | 0 | -20 to 19, for its workers and what they start; below 0 needs the privilege |
| `affinity` | any | the CPUs that its workers and what they start may use, as in `0-3,6`; a CPU that the service may not use is refused at start |
| `recycle_jobs` | 0 (never) | replace a worker after at most this many jobs |
| `recycle_after` | 0 (never) | replace a worker after this time, between two jobs; idle ones one at a time |

The pool `default` always exists; `--workers` sets its size. Without `workers` a pool has one for each CPU of its `affinity`.

A new value of `workers` takes effect at the next SIGHUP. A larger pool gets its workers at once; in a smaller one idle workers go first, busy ones
when their job has ended. No running job is touched. More than `max_workers` is refused: the pool keeps its size, and the log says so.

## [task NAME]

A name is 1 to 64 of `a-z 0-9 _ . -`, the first a letter or digit. A task has a `module`, a `command`, or `kind = remote`. `tasks.md` describes each kind, with examples.

| setting | default | what it is |
|---|---|---|
| `kind` | from what it has | `remote`: workers elsewhere lease its jobs (`tasks.md`). `module` and `command` may be stated, but follow from those settings |
| `module` | | path of a shared object that implements `include/jobmill_task.h`, relative to this file |
| `command` | | words, with '…' and "…" where needed, never a shell; `{input.x}` is replaced by the field `x` of the input, `{config_dir}` by the directory of this file. What begins like one of these and is none, as `{input.}` or `{configdir}`, is refused; a whole word such as `{inputx}` stays as it is, with a warning, and other braces stay without |
| `pool` | `default` | the pool that runs it |
| `input` | `json` | `raw`: the submitted bytes as they are |
| `result` | `json` | what standard output is: `json`, `text`, or a content type |
| `input_schema` | | path of a JSON Schema that inputs must match, relative to this file; see `schema.md` |
| `timeout` | 0 (none) | time limit of each attempt |
| `max_attempts` | that of `[server]` | attempts of a job that does not set it |
| `memory` | 0 (no limit) | address space: of each process of a command; for a module, what a job adds to its worker's |
| `cpu_time` | 0 (no limit) | CPU time of each process of a job, in whole seconds; more ends it with `cpu_limit` |
| `file_size` | 0 (no limit) | size of each file that a job writes; more ends it with `file_limit` |
| `open_files` | 0 (no limit) | descriptors of each process of a job, at least 16 |
| `processes` | 0 (no limit) | processes and threads of a sandboxed command, all together |
| `sandbox` | that of `[server]`; `none` for a module | `none`, `basic`, `strict`, or `best`, the strongest that works; see `sandbox.md` |
| `network` | `no` in a sandbox, else `yes` | may it use the network |
| `read`, `write` | | paths that a sandboxed task may read, or also write, relative to this file |
| `output_max` | 64MiB | a larger result fails the job with `bad_result` |
| `concurrency` | 0 (no limit) | jobs of it that run at once |
| `key_concurrency` | 1 | jobs of it with the same `concurrency_key` that run at once |
| `rate` | 0 (no limit) | jobs that begin in a given time, as `10/s`, `100/m`, `5000/h`; `10` is `10/s` |
| `burst` | 1 | how many of these may begin at once after a pause |
| `backoff` | from `retry_delay` and `retry_delay_max` | pauses between attempts of a job that does not set them: `exponential 1s 1h`, `fixed 5s`, `list 1s 10s 1m` |
| `keep_for`, `keep_max` | those of `[server]` | how long, and how many of, its ended jobs are kept |
| `description` | | shown by `GET /v1/tasks` |
| `env.NAME` | | a variable of a command's environment; `{config_dir}` as above |
| `result_file` | | a file of the job's directory that is the result, in place of standard output (which is then log) |
| `persistent` | no | the command is kept warm: it gets jobs on descriptor 3, one JSON object a line, and answers on descriptor 4 |
| `spares` | 1 | for a persistent command: programs that each worker starts ahead, 0 to 4 |
| `ready_timeout` | 10s | for a persistent command: time from its start until it must say that it is ready |
| `recycle_jobs` | 0 (never) | for a persistent command: replace a program after this many jobs |
| `recycle_after` | 0 (never) | for a persistent command: replace a program that has had a job after this time |
| `recycle_memory` | 0 (never) | for a persistent command: replace a program whose resident memory exceeds this after a job |
| `permanent_exit_codes` | | as in `2, 64-78`: a job that ends with one of these is not tried again |

With `kind = remote` a setting that says how a job runs here is an error: `result`, `memory`, `cpu_time`, `file_size`, `open_files`, `processes`,
`sandbox`, `network`, `read`, `write`, and all from `env.NAME` on.

A command's environment is `PATH`, `HOME`, `USER`, `LANG`, `LC_ALL`, `TZ` and `TMPDIR` as the service has them, its own `env.NAME` settings, and
`JOBMILL_JOB_ID`, `JOBMILL_TASK`, `JOBMILL_ATTEMPT` and `JOBMILL_DIR`; also `TRACEPARENT` where the submission had one, and `JOBMILL_CHECKPOINT` where
an earlier attempt left a checkpoint. There is nothing else in it. (In a sandbox `HOME` and `TMPDIR` are the job's directory.) Its working directory is fresh,
private, and removed afterwards. Its input is on standard input; exit status 0 is success.

Standard error is the job's log. A line that begins with `<3>` (0 to 3: error, 4: warning, 7: debug) or with `ERROR:`, `WARNING:` or `DEBUG:` has
that level. The command may write JSON lines to descriptor 4:

| line | meaning |
|---|---|
| `{"progress":{"fraction":0.5,"message":"half"}}` | how far it is |
| `{"checkpoint":…}` | kept for the job's next attempt |
| `{"result":…}` or `{"result_file":"NAME","type":"image/png"}` | the result, in place of standard output |
| `{"error":{"code":"…","message":"…","permanent":true}}` | the attempt fails with this |

## [token NAME]

A name is as that of a task.

| setting | default | what it is |
|---|---|---|
| `hash` | | `sha256:` and 64 digits, as `jobmill token` prints it; two, separated by a comma, while one replaces the other |
| `scopes` | | some of `read`, `submit`, `control`, `work`, `admin` |
| `tasks` | all | the tasks it may use |
| `read_all` | `no` | may it see the jobs of other tokens; changing them needs `admin` |
| `expires` | never | a time such as `2027-01-01T00:00:00Z` |

Read again at SIGHUP; see `security.md`.
TEXT
