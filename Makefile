# jobmill - one makefile, no recursion but for the sanitizer builds. `make help` lists the targets.

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC      := gcc
endif
SAN     ?=
comma   := ,

PKGS      := libmicrohttpd gnutls jansson libpcre2-8 libseccomp sqlite3
WARN      := -Wall -Wextra -Wpedantic -Wshadow -Wconversion
GUARD     := -fstack-protector-strong -fstack-clash-protection
ifeq ($(shell uname -m),x86_64)
GUARD     += -fcf-protection
endif
HARDEN    := -fPIE $(GUARD)
# the same bytes wherever the tree lies: make reproducible
PLACE     := -fdebug-prefix-map=$(CURDIR)=. -fmacro-prefix-map=$(CURDIR)=.
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack
OPT       := -O2 -D_FORTIFY_SOURCE=2
ifneq ($(SAN),)
override BUILD := build-$(firstword $(subst $(comma), ,$(SAN)))
OPT       := -O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=undefined
SAN_LD    := -fsanitize=$(SAN)
endif
ifneq ($(CI),)
WARN      += -Werror
endif

CFLAGS   ?= -g
ALL_CPPFLAGS = -D_GNU_SOURCE -DJOBMILL_VERSION='"$(VERSION)"' -Iinclude $(CPPFLAGS)
# V=1 shows the commands
ifeq ($(V),)
.SILENT:
endif
ALL_CFLAGS   = -std=c17 -pthread $(OPT) $(WARN) $(HARDEN) $(PLACE) $(ALL_CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS  = $(HARDEN_LD) $(SAN_LD) -pthread $(LDFLAGS)
# asked when a recipe runs, not before the packages are there
LIBS         = $$(pkg-config --libs $(PKGS)) -linih -lnettle -lz -ldl -lm
TEST_LIBS    = $$(pkg-config --libs check) -lcurl

COMMON := \
	common/board.c \
	common/buf.c \
	common/clock.c \
	common/cpus.c \
	common/embed.c \
	common/err.c \
	common/fdio.c \
	common/heap.c \
	common/id.c \
	common/job.c \
	common/jsonscan.c \
	common/log.c \
	common/msg.c \
	common/own.c \
	common/ring.c \
	common/spare.c \
	common/taskdef.c

WORKERS := \
	workers/cgroup.c \
	workers/child.c \
	workers/filter.c \
	workers/forkserver.c \
	workers/landlock.c \
	workers/limits.c \
	workers/namespace.c \
	workers/reaper.c \
	workers/remover.c \
	workers/said.c \
	workers/sandbox.c \
	workers/task.c \
	workers/task_command.c \
	workers/task_module.c \
	workers/task_persistent.c \
	workers/warm.c \
	workers/warm_keep.c \
	workers/where.c \
	workers/words.c \
	workers/workdir.c \
	workers/worker.c

SCHEMA := \
	server/schema.c \
	server/schema_check.c \
	server/schema_deep.c \
	server/schema_format.c \
	server/schema_pattern.c \
	server/schema_ref.c \
	server/schema_value.c

SERVER := \
	server/ahead.c \
	server/backoff.c \
	server/backup.c \
	server/bucket.c \
	server/calls.c \
	server/canonical.c \
	server/change.c \
	server/claims.c \
	server/clockset.c \
	server/clockwork.c \
	server/collector.c \
	server/conf.c \
	server/conf_command.c \
	server/conf_doubts.c \
	server/conf_file.c \
	server/conf_schema.c \
	server/conf_flow.c \
	server/conf_limits.c \
	server/conf_machine.c \
	server/conf_pools.c \
	server/conf_sections.c \
	server/conf_value.c \
	server/cron.c \
	server/deliver.c \
	server/dispatch.c \
	server/exposition.c \
	server/foresee.c \
	server/history.c \
	server/inbox.c \
	server/joblog.c \
	server/joblog_read.c \
	server/leave.c \
	server/joblog_sweep.c \
	server/leases.c \
	server/metrics.c \
	server/must.c \
	server/outcome.c \
	server/pool.c \
	server/reader.c \
	server/reload.c \
	server/schedule.c \
	server/serve.c \
	server/steps.c \
	server/stop.c \
	server/supervise.c \
	server/tree.c \
	server/tokens.c \
	server/usage.c \
	server/waiters.c \
	server/writer.c \
	server/zone.c \
	server/zone_rule.c

STORE := \
	server/store/migrate.c \
	server/store/sqlite.c \
	server/store/sqlite_backup.c \
	server/store/sqlite_bytes.c \
	server/store/sqlite_checkpoint.c \
	server/store/sqlite_claim.c \
	server/store/sqlite_lent.c \
	server/store/sqlite_log.c \
	server/store/sqlite_delivery.c \
	server/store/sqlite_files.c \
	server/store/sqlite_gather.c \
	server/store/sqlite_group.c \
	server/store/sqlite_insert.c \
	server/store/sqlite_keep.c \
	server/store/sqlite_lease.c \
	server/store/sqlite_list.c \
	server/store/sqlite_read.c \
	server/store/sqlite_rows.c \
	server/store/sqlite_salvage.c \
	server/store/sqlite_schedule.c \
	server/store/sqlite_stream.c \
	server/store/sqlite_tasks.c \
	server/store/sqlite_touch.c \
	server/store/sqlite_write.c \
	server/store/store.c

HTTP := \
	server/http/access.c \
	server/http/answers.c \
	server/http/address.c \
	server/http/api_admin.c \
	server/http/api_bulk.c \
	server/http/api_bytes.c \
	server/http/api_groups.c \
	server/http/api_history.c \
	server/http/api_jobs.c \
	server/http/api_leases.c \
	server/http/api_list.c \
	server/http/api_logs.c \
	server/http/api_meta.c \
	server/http/api_metrics.c \
	server/http/api_pools.c \
	server/http/api_schedules.c \
	server/http/api_tasks.c \
	server/http/api_workers.c \
	server/http/aside.c \
	server/http/assets.c \
	server/http/audit.c \
	server/http/auth.c \
	server/http/crowd.c \
	server/http/deadline.c \
	server/http/guard.c \
	server/http/http.c \
	server/http/input_check.c \
	server/http/json.c \
	server/http/json_job.c \
	server/http/lease_body.c \
	server/http/listener.c \
	server/http/loop.c \
	server/http/memory.c \
	server/http/multipart.c \
	server/http/pace.c \
	server/http/params.c \
	server/http/problem.c \
	server/http/query.c \
	server/http/range.c \
	server/http/receivers.c \
	server/http/reply.c \
	server/http/request.c \
	server/http/response.c \
	server/http/route.c \
	server/http/stream.c \
	server/http/submit.c \
	server/http/submit_fields.c \
	server/http/submit_json.c \
	server/http/submit_many.c \
	server/http/submit_parents.c \
	server/http/submit_raw.c \
	server/http/submit_schedule.c \
	server/http/suspend.c \
	server/http/tls.c \
	server/http/task_name.c \
	server/http/webhook.c \
	server/http/trace.c

CLI := \
	cli/batch.c \
	cli/call.c \
	cli/cli.c \
	cli/http.c \
	cli/input.c \
	cli/jobs.c \
	cli/options.c \
	cli/result.c \
	cli/service.c \
	cli/show.c \
	cli/submit.c \
	cli/table.c \
	cli/term.c \
	cli/wait.c \
	cli/watch.c

# the tasks that are part of the binary: shared objects like a user's
TASKS := \
	workers/builtin/echo.c \
	workers/builtin/mandelbrot.c \
	workers/builtin/noop.c \
	workers/builtin/primes.c \
	workers/builtin/sha256.c \
	workers/builtin/sleep.c

# what the shipped tasks take, checked at submission
TASK_SCHEMAS := $(TASKS:%.c=%.schema.json)

MIGRATIONS := \
	migrations/sqlite/0001_jobs.sql \
	migrations/sqlite/0002_lifecycle.sql \
	migrations/sqlite/0003_schedules.sql \
	migrations/sqlite/0004_leases.sql \
	migrations/sqlite/0006_trace.sql \
	migrations/sqlite/0007_owner.sql \
	migrations/sqlite/0008_deliveries.sql \
	migrations/sqlite/0009_params.sql \
	migrations/sqlite/0010_checkpoints.sql \
	migrations/sqlite/0011_plain_conditions.sql \
	migrations/sqlite/0012_delayed.sql \
	migrations/sqlite/0013_stream_keys.sql \
	migrations/sqlite/0014_held_by_task.sql \
	migrations/sqlite/0015_ends.sql \
	migrations/sqlite/0016_row_keys.sql

# tests that live in this process, and tests that start the real binary
UNIT  := $(wildcard tests/check_*.c)
STORY := $(wildcard tests/e2e_*.c)
HEADERS := $(wildcard cli/*.h common/*.h include/*.h server/*.h server/*/*.h workers/*.h)

SRCS      := $(COMMON) $(WORKERS) $(SERVER) $(SCHEMA) $(STORE) $(HTTP) $(CLI)
OBJS      := $(SRCS:%.c=$(BUILD)/%.o)
TASK_SOS  := $(TASKS:workers/builtin/%.c=$(BUILD)/tasks/%.so)
TEST_SOS  := $(patsubst tests/tasks/%.c,$(BUILD)/tests/tasks/%.so,$(wildcard tests/tasks/*.c))
UNIT_BIN  := $(UNIT:%.c=$(BUILD)/%)
STORY_BIN := $(STORY:%.c=$(BUILD)/%)
# the fuzz targets, each over the inputs that are kept for it
REPLAY     := $(wildcard tests/fuzz/*.c)
REPLAY_BIN := $(REPLAY:%.c=$(BUILD)/%)
ESCAPE := $(wildcard tests/programs/escape/*.c)
TEST_PROGRAMS := $(BUILD)/tests/programs/escape $(patsubst tests/programs/%.c,$(BUILD)/tests/programs/%,$(wildcard tests/programs/*.c)) $(patsubst tests/preload/%.c,$(BUILD)/tests/preload/%.so,$(wildcard tests/preload/*.c))

all: $(BUILD)/jobmill ## build build/jobmill

$(BUILD)/jobmill: $(OBJS) $(BUILD)/server/main.o $(BUILD)/embed.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# ---- the shipped tasks, with the public header alone ----
TASK_LIBS_primes     := -ljansson -lm
TASK_LIBS_sha256     := -ljansson -lnettle -lm
TASK_LIBS_mandelbrot := -ljansson -lpng -lm
TASK_LIBS_sleep      := -ljansson -lm
SO = $(CC) -std=c17 $(OPT) $(WARN) $(PLACE) -fPIC -fvisibility=hidden $(GUARD) -D_GNU_SOURCE -Iinclude $(CFLAGS) -shared $(SAN_LD) -Wl,-z,relro,-z,now,-z,noexecstack $(SO_MORE)

$(BUILD)/tasks/%.so: workers/builtin/%.c workers/builtin/input.h include/jobmill_task.h Makefile
	@mkdir -p $(@D)
	$(SO) -o $@ $< $(TASK_LIBS_$*)

$(BUILD)/tests/tasks/%.so: tests/tasks/%.c include/jobmill_task.h Makefile
	@mkdir -p $(@D)
	$(SO) -o $@ $<

# what tests put between the service and the system
$(BUILD)/tests/preload/%.so: tests/preload/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=c17 -O1 $(WARN) -fPIC -D_GNU_SOURCE -shared -o $@ $<

# programs that tests start as commands: without a sanitizer, whose shadow no limit of memory allows
$(BUILD)/tests/programs/%: tests/programs/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=c17 -O1 $(WARN) -D_GNU_SOURCE -o $@ $<

$(BUILD)/tests/programs/escape: $(ESCAPE) tests/programs/escape/escape.h tests/programs/escape/attempts.def Makefile
	@mkdir -p $(@D)
	$(CC) -std=c17 -O1 $(WARN) -D_GNU_SOURCE -o $@ $(ESCAPE)

# ---- files inside the binary: an assembler stub with one .incbin each, and a table ----
$(BUILD)/web/%.gz: web/dist/% Makefile
	@mkdir -p $(@D)
	gzip -9nc $< > $@
$(BUILD)/web/%.gz: web/docs/% Makefile
	@mkdir -p $(@D)
	gzip -9nc $< > $@
$(BUILD)/web/%.html.gz: $(BUILD)/web/%.html
	gzip -9nc $< > $@
WEB_STYLES := $(BUILD)/web/app.css.gz $(BUILD)/web/docs.css.gz
# the pages of the API, made of its tables
DOC_PAGES := $(BUILD)/web/docs.html $(BUILD)/web/errors.html
$(DOC_PAGES) &: api.yaml common/err.def server/http/route.def web/docs/errors.yaml $(wildcard web/docs/*.py) $(WEB_STYLES)
	@mkdir -p $(@D)
	/usr/bin/python3 -B web/docs/gen.py $(@D) $(WEB_STYLES)
WEB := web/index.html $(BUILD)/web/app.js.gz $(WEB_STYLES) $(DOC_PAGES:%=%.gz)
EMBEDDED := $(MIGRATIONS) api.yaml $(WEB) $(TASK_SCHEMAS) $(TASK_SOS)
$(BUILD)/embed.S: $(EMBEDDED) Makefile embed.sh
	@mkdir -p $(@D)
	./embed.sh $(BUILD) $(EMBEDDED) > $@
$(BUILD)/embed.o: $(BUILD)/embed.S
	$(CC) $(HARDEN) -c -o $@ $<

web: ## bundle the dashboard anew into web/dist (needs Node and npm)
	web/build.sh build/web-bundle
# Nothing is left of what failed: a directory that is newer than its lock file would be taken for whole.
NPM_CI = (cd $@ && npm ci --ignore-scripts --no-audit --no-fund --silent --fetch-retries=5) || { rm -rf $@; exit 1; }
# the packages of the browser's tests
$(BUILD)/web-test: tests/web/package-lock.json
	./install-deps.sh web
	@mkdir -p $@
	cp tests/web/package.json tests/web/package-lock.json $@
	$(NPM_CI)
	@touch $@
# what they try without a page
WEB_PURE := $(addprefix web/src/,again.js clock.js cronwords.js jsontext.js prometheus.js series.js)
pictures: $(BUILD)/jobmill $(BUILD)/web-test ## the pictures of docs/screenshots anew (takes a minute)
	cp tests/web/pictures.js $(BUILD)/web-test
	node $(BUILD)/web-test/pictures.js $(BUILD)/jobmill /usr/bin/chromium docs/screenshots
web-test: $(BUILD)/jobmill $(BUILD)/web-test ## the dashboard in Debian's Chromium: every page and action, axe; tells its first paint; PICTURES=DIR keeps pictures
	cp tests/web/*.js $(WEB_PURE) $(BUILD)/web-test
	node $(BUILD)/web-test/test.js $(BUILD)/jobmill /usr/bin/chromium $(PICTURES)
	node $(BUILD)/web-test/trouble.js $(BUILD)/jobmill /usr/bin/chromium
web-check: ## is web/dist the bundle of web/src, and small?
	web/check.sh

# ---- files made of the binary's tables, kept so that nobody needs the binary to read them ----
GENERATED := docs/configuration.md docs/man/jobmill.1 completions/jobmill.bash completions/_jobmill
$(BUILD)/generated/docs/configuration.md:   GEN = docs/gen-configuration.sh
$(BUILD)/generated/docs/man/jobmill.1:      GEN = docs/gen-cli.sh man
$(BUILD)/generated/completions/jobmill.bash: GEN = docs/gen-cli.sh bash
$(BUILD)/generated/completions/_jobmill:    GEN = docs/gen-cli.sh zsh
$(GENERATED:%=$(BUILD)/generated/%): $(BUILD)/jobmill docs/gen-cli.sh docs/gen-configuration.sh
	@mkdir -p $(@D)
	$(GEN) $(BUILD)/jobmill > $@
generated: $(GENERATED:%=$(BUILD)/generated/%) ## make the documents that follow from tables anew
	@for f in $(GENERATED); do cp $(BUILD)/generated/$$f $$f || exit 1; done
generated-check: $(GENERATED:%=$(BUILD)/generated/%)
	@for f in $(GENERATED); do diff -u $$f $(BUILD)/generated/$$f || { echo "$$f is not what its table says: make generated"; exit 1; }; done

# ---- use ----
deps-build: ## install the packages that the build needs
	./install-deps.sh build
deps-test:
	./install-deps.sh test
deps-lint:
	./install-deps.sh lint

run: deps-build ## install what is missing, build, start on 127.0.0.1:8080 with ./data
	$(MAKE) --no-print-directory -j$$(nproc) all
	./run.sh $(BUILD)/jobmill

# What goes to share/jobmill, at the same places as here, so that what links from one file to another holds: by name, for a
# tree that was used has other files in it (Python's caches, objects of C tasks).
INSTALLED := README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE api.yaml \
	$(wildcard docs/*.md docs/*.svg docs/screenshots/*.png) \
	$(wildcard examples/*.ini examples/*.py examples/*.js examples/*/*.ini examples/*/*.md examples/*/*.c examples/monitoring/*.* examples/systemd/*.*) \
	$(wildcard clients/*/*.md clients/*/*.py clients/*/*.js)

install: all ## install below PREFIX (and DESTDIR)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/doc
	install -m 755 $(BUILD)/jobmill $(DESTDIR)$(PREFIX)/bin/jobmill
	install -m 644 include/jobmill_task.h $(DESTDIR)$(PREFIX)/include/jobmill_task.h
	install -D -m 644 docs/man/jobmill.1 $(DESTDIR)$(PREFIX)/share/man/man1/jobmill.1
	install -D -m 644 completions/jobmill.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/jobmill
	install -D -m 644 completions/_jobmill $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_jobmill
	for f in $(INSTALLED); do install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/jobmill/$$f || exit 1; done
	ln -sfn ../jobmill $(DESTDIR)$(PREFIX)/share/doc/jobmill

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/jobmill $(DESTDIR)$(PREFIX)/include/jobmill_task.h
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/jobmill.1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions/jobmill
	rm -f $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_jobmill
	rm -rf $(DESTDIR)$(PREFIX)/share/jobmill $(DESTDIR)$(PREFIX)/share/doc/jobmill

# ---- tests ----
$(BUILD)/tests/check_%: $(BUILD)/tests/check_%.o $(OBJS) $(BUILD)/embed.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) $(TEST_LIBS)
# the layer under SQLite that loses, tears and fails
CRASH = $(BUILD)/tests/crashvfs.o $(BUILD)/tests/crashdisk.o $(BUILD)/tests/storerun.o
$(BUILD)/tests/check_crash $(BUILD)/tests/check_faults $(BUILD)/tests/check_migrate $(BUILD)/tests/check_oom: $(CRASH)
$(BUILD)/tests/check_conf $(BUILD)/tests/check_conf_sections: $(BUILD)/tests/confkit.o
$(BUILD)/tests/check_store $(BUILD)/tests/check_life $(BUILD)/tests/check_keep $(BUILD)/tests/check_lists $(BUILD)/tests/check_follow $(BUILD)/tests/check_lent $(BUILD)/tests/check_held $(BUILD)/tests/check_rows: $(BUILD)/tests/storekit.o
$(BUILD)/tests/check_birth $(BUILD)/tests/check_deliver $(BUILD)/tests/check_foresee: $(BUILD)/tests/deliverkit.o
.SECONDARY: $(CRASH) $(BUILD)/tests/wrapalloc.o
$(BUILD)/tests/check_faults $(BUILD)/tests/check_oom: $(BUILD)/tests/wrapalloc.o
$(BUILD)/tests/check_faults $(BUILD)/tests/check_oom: ALL_LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup
$(BUILD)/tests/check_serve: ALL_LDFLAGS += -Wl,--wrap=forkserver_kill_all
$(BUILD)/tests/check_reaper: ALL_LDFLAGS += -Wl,--wrap=kill
$(BUILD)/tests/check_cgroup: ALL_LDFLAGS += -Wl,--wrap=mkdir,--wrap=rmdir,--wrap=unlinkat
# A fuzzer may stand in for a part of the service: its own functions are found first. Dispatch's has the sockets, too.
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/lib/replay.o $(OBJS) $(BUILD)/embed.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(FUZZ_LD) -Wl,--allow-multiple-definition $(LIBS)
SOCKETS_WRAPPED := socketpair sendmsg send recvmsg shutdown fcntl close epoll_ctl epoll_wait
$(BUILD)/tests/fuzz/fuzz_dispatch: $(BUILD)/tests/fuzz/lib/sockets.o
build-fuzz/fuzz_dispatch: tests/fuzz/lib/sockets.c
$(BUILD)/tests/fuzz/fuzz_dispatch build-fuzz/fuzz_dispatch: FUZZ_LD := $(SOCKETS_WRAPPED:%=-Wl,--wrap=%)
.SECONDARY: $(REPLAY:%.c=$(BUILD)/%.o) $(BUILD)/tests/fuzz/lib/replay.o $(BUILD)/tests/fuzz/lib/sockets.o
HARNESS := $(BUILD)/tests/harness.o $(BUILD)/tests/harness_http.o $(BUILD)/tests/harness_cli.o $(BUILD)/tests/harness_clock.o $(BUILD)/tests/harness_leases.o $(BUILD)/tests/harness_logs.o $(BUILD)/tests/harness_preload.o $(BUILD)/tests/harness_tokens.o
$(BUILD)/tests/e2e_%: $(BUILD)/tests/e2e_%.o $(HARNESS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -ljansson -lsqlite3 -lnettle $(TEST_LIBS)
.SECONDARY: $(UNIT:%.c=$(BUILD)/%.o) $(STORY:%.c=$(BUILD)/%.o) $(HARNESS)

test: deps-test ## install what is missing, build, and pass the tests
	$(MAKE) --no-print-directory -j$$(nproc) tests
	$(MAKE) --no-print-directory deps-check layers contract smuggling ssrf docs-test check e2e

# All are run, so that one look tells all that is wrong.
NONE_FAILED = [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }
tests: $(BUILD)/jobmill $(UNIT_BIN) $(REPLAY_BIN) $(STORY_BIN) $(TEST_SOS) $(TEST_PROGRAMS)

# Most of them wait most of the time; with a sanitizer they do not.
TOGETHER = JOBS=$(if $(SAN),1,4) ALONE="e2e_escape e2e_limits e2e_oom e2e_faults check_oom"
ONCE_MORE = RETRY=$(if $(CI),1,0)

check: $(UNIT_BIN) $(REPLAY_BIN) $(TEST_SOS) ## unit tests, and the kept inputs of the fuzzers
	@$(TOGETHER) $(ONCE_MORE) JOBMILL_BUILD=$(BUILD) ./tests/each.sh $(UNIT_BIN) $(REPLAY_BIN)

e2e: $(BUILD)/jobmill $(STORY_BIN) $(TEST_SOS) $(TEST_PROGRAMS) ## tests of the real binary over real HTTP
	@$(TOGETHER) $(ONCE_MORE) JOBMILL_BUILD=$(BUILD) JOBMILL_BIN=$(BUILD)/jobmill ./tests/each.sh $(STORY_BIN)

escape: $(BUILD)/jobmill $(BUILD)/tests/e2e_escape $(TEST_PROGRAMS) ## hostile programs in a sandbox, as this user, and of root also as an ordinary one
	./tests/escape.sh $(BUILD)

layers: $(COMMON:%.c=$(BUILD)/%.o) $(WORKERS:%.c=$(BUILD)/%.o) $(BUILD)/embed.o ## who may include whom
	./tests/layers.sh $(BUILD)

deps-check: ## install-deps.sh against what may be installed in other ways
	./tests/deps.sh

contract: $(BUILD)/jobmill generated-check web-check ## api.yaml against the routes and the answers; documents against their tables
	/usr/bin/python3 tests/contract.py $(BUILD)/jobmill

.PHONY: smuggling ssrf webhooks races lines roundtrip
smuggling: $(BUILD)/jobmill ## requests that hide another in themselves
	/usr/bin/python3 tests/smuggling.py $(BUILD)/jobmill

ssrf: $(BUILD)/jobmill ## callback_urls that name an address that must not be called, in a network of its own
	/usr/bin/python3 tests/ssrf.py $(BUILD)/jobmill

# the packages of the test of signatures
$(BUILD)/webhook: tests/webhook/package-lock.json
	./install-deps.sh web
	@mkdir -p $@
	cp tests/webhook/package.json tests/webhook/package-lock.json $@
	$(NPM_CI)
	@touch $@
CALLS ?= 1000
webhooks: $(BUILD)/jobmill $(BUILD)/webhook ## signatures of CALLS calls, verified by the library standardwebhooks
	cp tests/webhook/verify.js $(BUILD)/webhook
	node $(BUILD)/webhook/verify.js $(BUILD)/jobmill $(CALLS)

LINES ?= 1000000
lines: $(BUILD)/jobmill ## LINES jobs in one request, a line each, over a kill: all once, with flat memory
	/usr/bin/python3 tests/lines.py $(BUILD)/jobmill --lines $(LINES)

RACES ?= 100000
races: $(BUILD)/jobmill ## RACES requests that are asked again with their keys, and as many cancels that race with the end, under kills
	/usr/bin/python3 tests/races.py $(BUILD)/jobmill --races $(RACES)

DOCUMENTS ?= 100000
roundtrip: $(BUILD)/jobmill ## DOCUMENTS random JSON documents through the task echo: each comes back byte for byte
	/usr/bin/python3 tests/roundtrip.py $(BUILD)/jobmill --documents $(DOCUMENTS)

SEQUENCES ?= 1000
model: $(BUILD)/jobmill ## random sequences of calls and kills against a model, SEQUENCES of them
	/usr/bin/python3 tests/model/model.py $(BUILD)/jobmill --sequences $(SEQUENCES)

# the packages of the property test
$(BUILD)/property: tests/property/package-lock.json
	./install-deps.sh web
	@mkdir -p $@
	cp tests/property/package.json tests/property/package-lock.json $@
	$(NPM_CI)
	@touch $@
RUNS ?= 10000
property: $(BUILD)/jobmill $(BUILD)/property ## random requests made from api.yaml, RUNS sequences of them (SEED=n: the same again)
	cp tests/property/*.js $(BUILD)/property
	node $(BUILD)/property/property.js $(BUILD)/jobmill api.yaml $(RUNS) $(SEED)

# the linter of the contract
$(BUILD)/openapi: tests/openapi/package-lock.json
	./install-deps.sh web
	@mkdir -p $@
	cp tests/openapi/package.json tests/openapi/package-lock.json $@
	$(NPM_CI)
	@touch $@
.PHONY: openapi
openapi: $(BUILD)/openapi ## api.yaml by Redocly's linter: no error
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $</node_modules/.bin/redocly lint --format stylish --skip-rule no-required-schema-properties-undefined api.yaml

JOBS ?= 200
pipelines: $(BUILD)/jobmill ## pictures by a command, a warm program and remote workers, JOBS jobs of each, under kills
	/usr/bin/python3 tests/pipelines.py $(BUILD)/jobmill --jobs $(JOBS)

PARTS ?=
SHARE ?= 1
endure: $(BUILD)/jobmill ## one fault again and again, SHARE of the long form: PARTS of timeouts memory garbage recycle cancels reloads inherit
	/usr/bin/python3 tests/endure.py $(BUILD)/jobmill $(PARTS) --share $(SHARE)

docs-test: $(BUILD)/jobmill ## the commands of the README and of docs/
	/usr/bin/python3 tests/docs.py $(BUILD)/jobmill README.md docs/*.md

metrics-check: $(BUILD)/jobmill ## /metrics and examples/monitoring, by promtool and a real Prometheus
	./install-deps.sh monitoring
	/usr/bin/python3 tests/metrics_check.py $(BUILD)/jobmill

# the long form of the crash stories: the service and its workers killed ROUNDS times under load
ROUNDS ?= 1000
crash: $(BUILD)/jobmill $(BUILD)/tests/e2e_crash $(BUILD)/tests/e2e_workers $(TEST_SOS) ## kill service and workers ROUNDS times
	JOBMILL_ROUNDS=$(ROUNDS) JOBMILL_BUILD=$(BUILD) JOBMILL_BIN=$(BUILD)/jobmill $(BUILD)/tests/e2e_crash
	JOBMILL_ROUNDS=$(ROUNDS) JOBMILL_BUILD=$(BUILD) JOBMILL_BIN=$(BUILD)/jobmill $(BUILD)/tests/e2e_workers

.PHONY: analyze valgrind soak powerloss
analyze: deps-lint ## gcc's static analyzer
	./tests/analyze.sh

# Not those that count allocations, cut the power or begin a sandbox: their own tools watch them; nor what valgrind knows no pidfd_open for.
VALGRIND_BIN := $(filter-out %check_cgroup %check_child %check_crash %check_faults %check_migrate %check_oom %check_sandbox,$(UNIT_BIN))
valgrind: $(VALGRIND_BIN) $(TEST_SOS) ## unit tests under valgrind
	./install-deps.sh lint
	@failed=; for t in $(VALGRIND_BIN); do echo "== $$t"; CK_TIMEOUT_MULTIPLIER=20 JOBMILL_BUILD=$(BUILD) valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite $$t || failed="$$failed $$t"; done; $(NONE_FAILED)

SOAK ?= 3600
LISTERS ?= 0
soak: $(BUILD)/jobmill $(BUILD)/bench/load ## a mixed load for SOAK seconds, beside LISTERS that list without a pause: memory, descriptors and files must not grow
	/usr/bin/python3 tests/soak.py $(BUILD)/jobmill $(BUILD)/bench/load --seconds $(SOAK) --listers $(LISTERS)

IMAGES ?= 20000
powerloss: $(BUILD)/tests/check_crash $(BUILD)/tests/check_migrate ## cut the power IMAGES times at every write and sync of recorded runs, and of each migration
	CK_TIMEOUT_MULTIPLIER=100 JOBMILL_IMAGES=1 $(BUILD)/tests/check_migrate
	CK_DEFAULT_TIMEOUT=0 CK_TIMEOUT_MULTIPLIER=100 JOBMILL_IMAGES=$(IMAGES) $(BUILD)/tests/check_crash

CLIENTS ?= 10000
crowd: $(BUILD)/jobmill $(BUILD)/bench/load ## CLIENTS that hold connections: silent, idle, slow, unread, all there are, huge bodies
	/usr/bin/python3 tests/crowd.py $(BUILD)/jobmill $(BUILD)/bench/load --clients $(CLIENTS)

.PHONY: crowd faults hardening unit-check reproducible coverage sbom
faults: $(BUILD)/tests/check_faults $(BUILD)/tests/e2e_faults $(BUILD)/tests/e2e_oom $(BUILD)/jobmill $(TEST_SOS) ## each call below the store, and each system call and allocation of the service, fails once
	CK_TIMEOUT_MULTIPLIER=100 JOBMILL_FAULTS=all $(BUILD)/tests/check_faults
	JOBMILL_ROUNDS=1 JOBMILL_BUILD=$(BUILD) JOBMILL_BIN=$(BUILD)/jobmill $(BUILD)/tests/e2e_oom
	JOBMILL_ROUNDS=200 JOBMILL_BUILD=$(BUILD) JOBMILL_BIN=$(BUILD)/jobmill $(BUILD)/tests/e2e_faults

reproducible: deps-build ## two builds, in two directories: the same bytes?
	./tests/reproducible.sh

sbom: $(BUILD)/jobmill $(TASK_SOS) ## what it is made of, from the lists of apt and npm: build/jobmill.spdx.json (SPDX 2.3)
	/usr/bin/python3 -B sbom.py $(BUILD) $(VERSION) >$(BUILD)/jobmill.spdx.json

unit-check: $(BUILD)/jobmill ## examples/systemd: how exposed, and are its system calls enough?
	./install-deps.sh unit
	/usr/bin/python3 tests/unit.py $(BUILD)/jobmill

hardening: $(BUILD)/jobmill ## is what was built hardened?
	./tests/hardening.sh $(BUILD)/jobmill $(TASK_SOS)

# Built without optimization, so that a line is a line: `make test`, and short forms of what goes on for as long as one likes. What a
# process had run when it was killed, and what one in a sandbox ran that may not write files, is not counted. Sums are made where a
# test failed, too.
COVERED := -g --coverage -fprofile-update=atomic
COVERED_LD := --coverage -rdynamic -Wl,--wrap=_exit $(CURDIR)/build-coverage/covexit.o
COVER = $(MAKE) --no-print-directory BUILD=build-coverage OPT=-O0 CFLAGS="$(COVERED)" LDFLAGS="$(COVERED_LD)" SO_MORE=$(CURDIR)/build-coverage/covso.o
COVER_ALSO ?= property webhooks model races lines roundtrip faults
coverage: ## lines and branches that the tests run, in build-coverage/coverage.txt
	./install-deps.sh coverage
	@mkdir -p build-coverage
	@find build-coverage -name '*.gcda' -delete
	$(CC) -fPIC -c -o build-coverage/covexit.o tests/covexit.c
	$(CC) -fPIC -c -o build-coverage/covso.o tests/covso.c
	@failed=; $(COVER) -k check e2e contract smuggling ssrf docs-test || failed=1; \
	$(COVER) -k $(COVER_ALSO) RUNS=1000 CALLS=50 SEQUENCES=20 RACES=2000 LINES=5000 DOCUMENTS=2000 || failed=1; \
	(cd build-coverage && gcovr --root .. --exclude '.*tests/.*' --exclude-unreachable-branches --exclude-throw-branches --txt coverage.txt \
		--json coverage.json --print-summary .); \
	/usr/bin/python3 tests/uncovered.py build-coverage/coverage.json; [ -z "$$failed" ]

headers: ## each header compiles alone
	@for h in $(HEADERS); do echo "#include \"$$h\"" | $(CC) $(ALL_CFLAGS) -I. -fsyntax-only -x c - || exit 1; done

asan: ## unit and end-to-end tests under ASan and UBSan
	$(MAKE) --no-print-directory -j$$(nproc) SAN=address,undefined tests
	ASAN_OPTIONS=detect_leaks=1 $(MAKE) --no-print-directory SAN=address,undefined check e2e
tsan: ## the same under TSan
	$(MAKE) --no-print-directory -j$$(nproc) SAN=thread tests
	TSAN_OPTIONS="halt_on_error=0 exitcode=66 die_after_fork=0 suppressions=$(CURDIR)/tests/tsan.supp" $(MAKE) --no-print-directory SAN=thread check e2e

# ---- JSON Schema: the official suite (SUITE: a checkout of json-schema-org/JSON-Schema-Test-Suite), and ajv ----
SUITE ?= ../JSON-Schema-Test-Suite
build/tests/schema/suite: tests/schema/suite.c $(OBJS) build/embed.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
schema-suite: build/tests/schema/suite ## the official JSON Schema tests in SUITE
	$< $(SUITE)/tests/draft2020-12
	$< $(SUITE)/tests/draft2020-12/optional
	-$< $(SUITE)/tests/draft2020-12/optional/format --formats

build/tests/schema/verdict: tests/schema/verdict.c $(OBJS) build/embed.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
# ajv comes with the packages of the property test
schema-diff: build/tests/schema/verdict $(BUILD)/property ## random schemas and values against ajv
	NODE_MODULES=$(BUILD)/property node tests/schema/ajv.mjs $<

# ---- cron: random expressions against a walk over every minute, and python3-croniter where it is installed ----
build/tests/cron/next: tests/cron/next.c $(OBJS) build/embed.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
cron-diff: build/tests/cron/next ## random cron expressions against two other ways
	/usr/bin/python3 tests/cron/oracle.py $< 2000

# ---- fuzzing: libFuzzer with ASan and UBSan; FUZZ_SECONDS a target, or FUZZ_RUNS executions if they come first ----
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?= -1
FUZZERS := $(patsubst tests/fuzz/%.c,build-fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_CC := clang -std=c17 -g -O1 -pthread -fno-sanitize-recover=undefined
FUZZ_SRCS := $(filter-out common/embed.c $(CLI),$(SRCS))
build-fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined $(ALL_CPPFLAGS) -MMD -MP -c -o $@ $<
build-fuzz/all.a: $(FUZZ_SRCS:%.c=build-fuzz/obj/%.o)
	@rm -f $@
	ar rcs $@ $^
build-fuzz/%: tests/fuzz/%.c tests/fuzz/lib/embed_none.c build-fuzz/all.a
	$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $(ALL_CPPFLAGS) -o $@ $^ $(FUZZ_LD) -Wl,--allow-multiple-definition $(LIBS)
.PRECIOUS: build-fuzz/obj/%.o
fuzz: deps-lint $(FUZZERS) ## fuzz every target for FUZZ_SECONDS, or FUZZ_RUNS executions
	@for f in $(FUZZERS); do echo "== $$f"; mkdir -p $$f.corpus; \
		cp tests/fuzz/corpus/$$(basename $$f)/* $$f.corpus/ || exit 1; \
		$$f -max_total_time=$(FUZZ_SECONDS) -runs=$(FUZZ_RUNS) -timeout=60 -artifact_prefix=$$f. $$f.corpus >$$f.log 2>&1 || { tail -n 40 $$f.log; exit 1; }; \
		tail -n 1 $$f.log; done

# ---- measurements ----
$(BUILD)/bench/%: bench/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=c17 -O2 -D_GNU_SOURCE -Wall -Wextra -o $@ $< $(if $(filter floors,$*),bench/epoll.c -lmicrohttpd -ljansson -lsqlite3 -ldl) $(if $(filter load,$*),-lm)
bench: all $(BUILD)/bench/load $(BUILD)/bench/floors ## jobmill beside this machine's floors and those peers that are installed (BENCH_ARGS)
	@! pkg-config --exists gearmand || $(MAKE) --no-print-directory $(BUILD)/bench/gearman
	BUILD=$(BUILD) python3 bench/run.py --peers $(BENCH_ARGS)

bench-short: all $(BUILD)/bench/load $(BUILD)/bench/floors ## the same in seconds: fails where a ratio is less than half as good as docs/performance.md tells
	BUILD=$(BUILD) python3 bench/run.py --short

bench-speedup: all $(BUILD)/bench/load $(BUILD)/bench/floors ## CPU-bound work on 1 and on 2 workers, beside the bare computation (SPEEDUP_ARGS)
	BUILD=$(BUILD) python3 bench/speedup.py $(SPEEDUP_ARGS)
$(BUILD)/bench/gearman: bench/peers/gearman.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -o $@ $< -lgearman
bench-deps: ## installs what jobmill is measured beside
	./install-deps.sh peers
	cd bench/peers && npm install --no-save --ignore-scripts --no-audit --no-fund --silent
bench-peers: all bench-deps $(BUILD)/bench/load ## jobmill beside its peers, which are installed first (PEERS_ARGS)
	$(MAKE) --no-print-directory $(BUILD)/bench/gearman
	BUILD=$(BUILD) python3 bench/peers.py $(PEERS_ARGS)
bench-kinds: all $(BUILD)/bench/floors ## a job of a module, of a command kept warm, of a command: one at a time, and batches (KINDS_ARGS)
	BUILD=$(BUILD) python3 bench/kinds.py $(KINDS_ARGS)
bench-leases: all ## jobs of remote workers, with two requests and with one (LEASES_ARGS)
	BUILD=$(BUILD) /usr/bin/python3 bench/leases.py $(LEASES_ARGS)
bench-load-check: $(BUILD)/bench/load $(BUILD)/bench/floors ## are the figures of the load generator right? against servers whose latency is known
	BUILD=$(BUILD) python3 bench/load_check.py
bench-overload: all $(BUILD)/bench/load $(BUILD)/bench/floors ## more clients than keep it busy, and load that comes whether or not it is answered (OVERLOAD_ARGS)
	BUILD=$(BUILD) python3 bench/overload.py $(OVERLOAD_ARGS)
bench-hostile: all $(BUILD)/bench/load $(TEST_PROGRAMS) $(BUILD)/tests/tasks/misbehave.so ## how it answers while hostile programs run (HOSTILE_ARGS)
	BUILD=$(BUILD) python3 bench/hostile.py $(HOSTILE_ARGS)
bench-store: $(BUILD)/bench/store ## what the store's steps of a job cost, claims written and lent: JOBS, A_COMMIT at a time
	@mkdir -p $(BUILD)/bench/data
	$< $(BUILD)/bench/data $(JOBS) $(A_COMMIT)
	@rm -rf $(BUILD)/bench/data
TRIES ?= 1000000
$(BUILD)/bench/tokens $(BUILD)/bench/store: $(BUILD)/bench/%: bench/%.c $(OBJS) $(BUILD)/embed.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
bench-tokens: $(BUILD)/bench/tokens ## does the time of a refusal tell how much of a token is right? TRIES guesses
	$< $(TRIES)
bench-growth: all $(BUILD)/bench/load ## what a job costs with millions kept, and queued (GROWTH_ARGS)
	BUILD=$(BUILD) python3 bench/growth.py $(GROWTH_ARGS)
bench-beside: all $(BUILD)/bench/load ## polls and jobs beside pages, searches and batches without a pause (BESIDE_ARGS)
	BUILD=$(BUILD) python3 bench/beside.py $(BESIDE_ARGS)
bench-ageing: all $(BUILD)/bench/load ## how long the least urgent job waits while urgent ones come without a pause (AGEING_ARGS)
	BUILD=$(BUILD) /usr/bin/python3 bench/ageing.py $(AGEING_ARGS)
bench-sweep: all $(BUILD)/bench/load ## submissions while old jobs are forgotten (SWEEP_ARGS)
	BUILD=$(BUILD) /usr/bin/python3 bench/sweep.py $(SWEEP_ARGS)
bench-profile: all $(BUILD)/bench/load ## CPU time and system calls of a request, by thread (PROFILE_ARGS)
	BUILD=$(BUILD) python3 bench/profile.py $(PROFILE_ARGS)

# ---- the look of the code ----
FORMATTED = $(SRCS) server/main.c $(TASKS) $(wildcard tests/*.c tests/*.h tests/preload/*.c tests/programs/*.c tests/programs/escape/*.c tests/tasks/*.c bench/*.c bench/*/*.c)
fmt: deps-lint ## format the sources
	clang-format -i $(FORMATTED)
fmt-check: deps-lint
	clang-format --dry-run -Werror $(FORMATTED)
tidy: deps-lint ## clang-tidy
	clang-tidy --quiet $(SRCS) server/main.c -- -std=c17 $(ALL_CPPFLAGS)
cppcheck: deps-lint ## cppcheck
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr --suppressions-list=tests/cppcheck.supp -D_GNU_SOURCE -DJOBMILL_VERSION='"x"' -Iinclude $(SRCS) server/main.c
shellcheck: deps-lint ## shellcheck
	shellcheck web/*.sh install-deps.sh embed.sh run.sh docs/*.sh completions/*.bash tests/*.sh .ci/run
pyflakes: deps-lint ## names that Python scripts use and do not have
	find . -name '*.py' -not -path './build*' -not -path '*/node_modules/*' -exec pyflakes3 {} +
manlint: deps-lint ## the manual page
	mandoc -Tlint docs/man/*.1

reuse: deps-lint ## whose each file is, and by what licence (REUSE 3.0)
	reuse --root . lint --quiet

lint: headers fmt-check tidy cppcheck shellcheck pyflakes manlint reuse ## all of the above

clean: ## remove what was built
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

-include $(OBJS:.o=.d) $(BUILD)/server/main.d $(wildcard $(BUILD)/tests/*.d $(BUILD)/tests/fuzz/*.d $(BUILD)/tests/fuzz/lib/*.d)
.PHONY: all deps-check pictures model property pipelines endure docs-test web web-check web-test escape metrics-check schema-diff schema-suite cron-diff crash deps-build deps-test deps-lint run install uninstall test tests check e2e layers contract headers asan tsan fuzz bench bench-ageing bench-beside bench-short bench-deps bench-growth bench-hostile bench-kinds bench-leases bench-overload bench-load-check bench-peers bench-profile bench-speedup bench-sweep bench-tokens fmt fmt-check tidy cppcheck shellcheck pyflakes manlint reuse generated generated-check lint clean help
