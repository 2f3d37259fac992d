/*
 * harness.h - the real service as a test object: started in a directory of its own on a free port,
 * spoken to over real HTTP, killed like a real process, and gone at the end of the test.
 *
 * Every function ends the test when what it promises does not come about. Each test is a process of
 * its own; when one fails, its service's log is printed, and what it started is killed and removed.
 * After every end of a service: no process of it is left, its log has no sanitizer's report, only
 * whole lines, and none of level "error" unless the test said that there may be.
 * One service runs at a time. JOBMILL_BIN names the executable, JOBMILL_BUILD the directory of the
 * test tasks.
 */
#ifndef JOBMILL_TESTS_HARNESS_H
#define JOBMILL_TESTS_HARNESS_H

#include <check.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LONG_MS 20000 /* longer than anything takes on a busy machine */

/* What is measured is the service, not the sanitizer's cost. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

struct server {
    pid_t pid; /* 0: not running; else the leader of its own process group */
    int port;
    char dir[256];   /* its own; data is in dir/data, the log in dir/log */
    char *conf;      /* the configuration's text, or NULL */
    char *flags[16]; /* further flags, NULL-terminated */
    int out_fd;
    bool errors_ok; /* lines of level "error" are what the test is about */
};

struct answer {
    int status;
    char *body;
    size_t len;
    char *head;   /* all header lines */
    json_t *json; /* NULL: not JSON */
};

/* ---- the service ---- */

/* `conf`: the configuration's text or NULL; `flags`: NULL-terminated, or NULL. server_new makes the
 * directory and starts; server_restart starts again on the same data. */
struct server *server_new(const char *conf, const char *const *flags);
/* The same with a task from tests/tasks/OBJECT.c under a name, quick retries and a short grace;
 * `more` is appended to the configuration. */
struct server *server_with_task(const char *name, const char *object, const char *more,
                                const char *const *flags);
void server_restart(struct server *s);
void server_signal(struct server *s, int sig);
/* Waits for the end, then checks what the head of this file says; the exit status, or 128 + signal.
 */
int server_wait(struct server *s, int ms);
void server_kill9(struct server *s);
void no_report(struct server *s); /* of a sanitizer in its log; server_wait() looks, too */
/* Ends it in good order (SIGTERM), removes the directory. Fails when it does not exit with 0. */
void server_free(struct server *s);
/* The whole log so far; heap. A job's end may be told before its last lines are in it: they come by
 * another way. */
char *server_log(struct server *s);
/* Writes its configuration file, for its next start or SIGHUP. */
void server_configure(struct server *s, const char *text);
const char *server_binary(void); /* JOBMILL_BIN of the environment, or what was built */
/* Asked now: do the words stand in the log? For eventually(). */
bool log_has(struct server *s, const char *words);

/* Runs the binary to its end, e.g. with a wrong configuration; what it says goes to out, its status
 * (or 128 + signal) is returned. */
int run_binary(const char *const *args, char *out, size_t out_size);
/* Writes a configuration into a file of the test's own, for run_binary; its path lives until the
 * next call. */
const char *conf_file(const char *text);

/* The path of a file of the test's own, which lives until the next call, and a directory of its
 * own, which is made: both are removed after the test, however it ends. */
const char *own_path(const char *name);
void own_directory(const char *name, char *path, size_t size);
/* So is what must lie elsewhere. */
void removed_after(const char *path);

/* A process that the test started by itself and that may outlive a service: it is neither reaped
 * nor missed. 0: there is none any more. */
void test_owns(pid_t pid);

/* The processes below pid, itself not counted. */
size_t descendants(pid_t pid, pid_t *out, size_t max);
bool process_is_gone(pid_t pid); /* dead and reaped */
long memory_peak_kib(pid_t pid);

/* ---- HTTP; thread-safe ---- */

struct answer *http(struct server *s, const char *method, const char *path, const char *body,
                    const char *const *headers);
/* The same without failing the test when the service is not there: NULL then. */
struct answer *http_try(struct server *s, const char *method, const char *path, const char *body,
                        const char *const *headers);
/* A POST of bytes that may hold zeros. */
struct answer *http_bytes(struct server *s, const char *path, const void *body, size_t len,
                          const char *const *headers);
void answer_free(struct answer *a);
/* A header's value in `out`; false: it is not there. */
bool answer_header(const struct answer *a, const char *name, char *out, size_t size);

struct answer *get(struct server *s, const char *path, int want_status);
struct answer *post(struct server *s, const char *path, const char *body, int want_status);
/* Submits and gives the id, in a buffer of the thread's own. */
const char *submit(struct server *s, const char *body);
/* Submits and waits for the end: the job. */
struct answer *run_job(struct server *s, const char *body);
/* The value of a sample of /metrics, given as it stands in the text up to the blank; -1: it is not
 * there. */
double sample(struct server *s, const char *name);
/* Waits until the job is in the state; the job. */
struct answer *await_state(struct server *s, const char *id, const char *state);
/* Waits until a running job tells a number in its progress message, e.g. a pid. */
int await_number(struct server *s, const char *id);
/* A figure of GET /v1/stats, e.g. "http.waiting". */
json_int_t stat_of(struct server *s, const char *path);
/* All jobs that are kept, in whatever state. */
json_int_t jobs_kept(struct server *s);
/* The pids that GET /v1/workers lists as idle or busy. */
size_t worker_pids(struct server *s, pid_t *out, size_t max);

/* Asks for leases; the answer, which has at least one. */
struct answer *ask_for_lease(struct server *s, const char *body);
/* The id of the first lease of that answer, and of its job, if `job` is not NULL; heap. */
char *take_lease(struct server *s, const char *body, char **job);
/* "heartbeat", "complete" or "fail": the answer's status. */
int end_lease(struct server *s, const char *id, const char *word, const char *body);

/* "error.code", "jobs.0.id"; NULL: not there. */
json_t *jget(json_t *root, const char *path);
const char *jstr(json_t *root, const char *path); /* "" when it is not there or no string */
json_int_t jint(json_t *root, const char *path);  /* -1 when it is not there or no integer */

/* A connection of bytes, for clients that no library would be. raw_try gives -1 where raw_open
 * fails the test. */
int raw_open(struct server *s);
int raw_try(struct server *s);
void raw_send(int fd, const char *text);
/* Reads until the end of the stream, until `until` was seen (NULL: only the end), or `ms`; heap. */
char *raw_read(int fd, const char *until, int ms);
/* Waits until the other side has ended the connection. */
bool raw_is_closed(int fd, int ms);
/* Closes it: the other side sees a reset, not an end. */
void raw_reset(int fd);

/* ---- time ---- */

/* Polls a condition until it is true, at most `ms`: for what no call can wait for. */
#define eventually(condition, ms)                                                                  \
    do {                                                                                           \
        int64_t until_ = now_ms() + (ms);                                                          \
        while (!(condition)) {                                                                     \
            ck_assert_msg(now_ms() < until_, "not within %d ms: %s", (int)(ms), #condition);       \
            pause_ms(2);                                                                           \
        }                                                                                          \
    } while (0)
int64_t now_ms(void);
void pause_ms(int ms);
/* Random moments and victims: JOBMILL_SEED repeats a run; the seed is printed. Main thread only. */
unsigned random_below(unsigned n);
/* How often a story repeats what it repeats: JOBMILL_ROUNDS (`make crash`), else the short form's.
 */
int rounds(int short_form);

/* A suite of one file: runs the test cases, prints Check's summary, returns main's status. */
int run_suite(const char *name, const TTest *const *tests, size_t n);

#endif
