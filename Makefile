# jobmill - one makefile, no recursion. `make help` lists the targets.

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= gcc
SAN     ?=

PKGS      := libmicrohttpd jansson sqlite3
WARN      := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-unknown-warning-option
HARDEN    := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack
OPT       := -O2 -D_FORTIFY_SOURCE=2
ifneq ($(SAN),)
OPT       := -O1 -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=undefined
SAN_LD    := -fsanitize=$(SAN)
BUILD     := build-$(firstword $(subst $(comma), ,$(SAN)))
endif
comma     := ,
ifneq ($(CI),)
WARN      += -Werror
endif

CPPFLAGS += -D_GNU_SOURCE -DJOBMILL_VERSION='"$(VERSION)"' -Iinclude
CFLAGS   ?= -g
ALL_CFLAGS = -std=c17 -pthread $(OPT) $(CFLAGS) $(WARN) $(HARDEN) $(CPPFLAGS) $(shell pkg-config --cflags $(PKGS))
ALL_LDFLAGS = $(HARDEN_LD) $(SAN_LD) $(LDFLAGS) -rdynamic -pthread
LIBS      = $(shell pkg-config --libs $(PKGS)) -linih -lnettle -ldl

COMMON := \
	common/board.c \
	common/buf.c \
	common/clock.c \
	common/embed.c \
	common/err.c \
	common/fdio.c \
	common/id.c \
	common/job.c \
	common/jsonscan.c \
	common/log.c \
	common/msg.c \
	common/taskdef.c

WORKERS := \
	workers/child.c \
	workers/forkserver.c \
	workers/limits.c \
	workers/reaper.c \
	workers/task.c \
	workers/task_command.c \
	workers/task_module.c \
	workers/workdir.c \
	workers/worker.c

SERVER := \
	server/backoff.c \
	server/collector.c \
	server/conf.c \
	server/conf_value.c \
	server/conf_sections.c \
	server/deliver.c \
	server/dispatch.c \
	server/inbox.c \
	server/pool.c \
	server/reader.c \
	server/serve.c \
	server/supervise.c \
	server/waiters.c \
	server/writer.c

STORE := \
	server/store/migrate.c \
	server/store/sqlite.c \
	server/store/sqlite_read.c \
	server/store/sqlite_write.c \
	server/store/store.c

HTTP := \
	server/http/api_jobs.c \
	server/http/api_meta.c \
	server/http/api_tasks.c \
	server/http/api_workers.c \
	server/http/deadline.c \
	server/http/guard.c \
	server/http/http.c \
	server/http/json.c \
	server/http/problem.c \
	server/http/query.c \
	server/http/route.c \
	server/http/submit.c

TASKS := \
	workers/builtin/echo.c \
	workers/builtin/mandelbrot.c \
	workers/builtin/noop.c \
	workers/builtin/primes.c \
	workers/builtin/sha256.c \
	workers/builtin/sleep.c

MIGRATIONS := \
	migrations/sqlite/0001_jobs.sql

# every server, worker and common object but main: what the unit tests link with
SRCS := $(COMMON) $(WORKERS) $(SERVER) $(STORE) $(HTTP)
OBJS := $(SRCS:%.c=$(BUILD)/%.o)
TASK_SOS := $(TASKS:workers/builtin/%.c=$(BUILD)/tasks/%.so)

all: $(BUILD)/jobmill

$(BUILD)/jobmill: $(OBJS) $(BUILD)/server/main.o $(BUILD)/embed.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# ---- the shipped tasks: shared objects like a user's, with the public header alone ----
TASK_LIBS_primes     := -ljansson -lm
TASK_LIBS_sha256     := -ljansson -lnettle -lm
TASK_LIBS_mandelbrot := -ljansson -lpng -lm
TASK_LIBS_sleep      := -ljansson -lm
$(BUILD)/tasks/%.so: workers/builtin/%.c include/jobmill_task.h Makefile
	@mkdir -p $(@D)
	$(CC) -std=c17 $(OPT) $(CFLAGS) $(WARN) -fPIC -fvisibility=hidden -fstack-protector-strong -D_GNU_SOURCE -Iinclude -shared $(SAN_LD) -Wl,-z,relro,-z,now,-z,noexecstack -o $@ $< $(TASK_LIBS_$*)

# ---- files inside the binary: an assembler stub with one .incbin each, and a table ----
EMBEDDED := $(MIGRATIONS) api.yaml $(TASK_SOS)
$(BUILD)/embed.S: $(EMBEDDED) Makefile embed.sh
	@mkdir -p $(@D)
	./embed.sh $(BUILD) $(EMBEDDED) > $@
$(BUILD)/embed.o: $(BUILD)/embed.S
	$(CC) -c -o $@ $<

clean:
	rm -rf build build-*

-include $(OBJS:.o=.d) $(BUILD)/server/main.d
.PHONY: all clean
