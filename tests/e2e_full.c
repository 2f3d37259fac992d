/*
 * e2e_full.c - the disk that holds the store is full: clear refusals, reads go on, nothing
 * acknowledged is lost, and it comes back by itself. Needs to mount a small file system; where that
 * is not allowed it says so and ends.
 */
#include "harness.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define PAYLOAD 60000

static char *large_job(void)
{
    char *body = malloc(PAYLOAD + 64);
    ck_assert_ptr_nonnull(body);
    int n = sprintf(body, "{\"task\":\"noop\",\"input\":\"");
    memset(body + n, 'x', PAYLOAD);
    strcpy(body + n + PAYLOAD, "\"}");
    return body;
}

/* A mount namespace of its own, so that nothing of it is seen outside or left behind. */
static bool own_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* A service whose store is on a small file system of its own. NULL: it may not mount one. */
static struct server *small_disk(const char *conf, const char *const *flags, char data[300])
{
    if (!own_mounts()) {
        puts("not allowed to mount: passed over");
        return NULL;
    }
    struct server *s = server_new(conf, flags);
    s->errors_ok = true; /* it says that the disk is full */
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    snprintf(data, 300, "%s/data", s->dir);
    ck_assert_int_eq(mount("none", data, "tmpfs", 0, "size=6m,mode=700"), 0);
    server_restart(s);
    return s;
}

static void fill_disk(struct server *s, const char *large)
{
    for (int status = 0; status != 507;) {
        struct answer *a = http(s, "POST", "/v1/jobs", large, NULL);
        status = a->status;
        answer_free(a);
    }
}

static void end_on(struct server *s, const char *data)
{
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 0);
    ck_assert_int_eq(umount(data), 0);
    server_free(s);
}

START_TEST(a_full_disk_refuses_and_recovers)
{
    char data[300], first[64] = "";
    struct server *s = small_disk(NULL, NULL, data);
    if (!s)
        return;
    char *body = large_job();
    int kept = 0, refused = 0;
    for (int i = 0; i < 150 && refused < 5; i++) {
        struct answer *a = http(s, "POST", "/v1/jobs", body, NULL);
        ck_assert_msg(a->status == 202 || a->status == 507, "%s", a->body);
        if (a->status == 507) {
            char retry[16];
            refused++;
            ck_assert_str_eq(jstr(a->json, "code"), "store_full");
            ck_assert(answer_header(a, "Retry-After", retry, sizeof(retry)));
        } else if (kept++ == 0) {
            snprintf(first, sizeof(first), "/v1/jobs/%s", jstr(a->json, "id"));
        }
        answer_free(a);
    }
    for (int i = 0; i < 12; i++) { /* they run ahead, and are refused with what came of it */
        struct answer *a = http(s, "POST", "/v1/jobs?wait=60", body, NULL);
        ck_assert_msg(a->status == 507, "%d: %s", a->status, a->body);
        answer_free(a);
    }
    free(body);
    ck_assert_int_gt(kept, 0);
    ck_assert_int_eq(refused, 5);
    answer_free(get(s, first, 200)); /* reads go on */
    answer_free(get(s, "/healthz", 200));
    ck_assert_int_eq(mount("none", data, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    struct answer *a = NULL;
    for (int64_t until = now_ms() + LONG_MS; now_ms() < until; pause_ms(20)) {
        answer_free(a);
        a = http(s, "POST", "/v1/jobs?wait=60", "{\"task\":\"noop\"}", NULL);
        if (a->status == 200)
            break;
    }
    ck_assert_int_eq(a->status, 200);
    answer_free(a);
    a = get(s, "/v1/stats", 200);
    ck_assert_int_eq(jint(a->json, "jobs.succeeded") + jint(a->json, "jobs.queued") +
                         jint(a->json, "jobs.running"),
                     kept + 1);
    answer_free(a);
    end_on(s, data);
}
END_TEST

/* What a job gave has no place, and the service is to end: the job runs again. */
START_TEST(it_ends_though_an_outcome_waits)
{
    static const char *const patient[] = {"--drain-timeout", "30", NULL}; /* it is to give it */
    char data[300], conf[700], flag[256], path[100];
    snprintf(flag, sizeof(flag), "%s", own_path("flag"));
    snprintf(conf, sizeof(conf),
             "[task large]\ncommand = /bin/sh -c 'until [ -e %s ]; do sleep 0.02; done;"
             " head -c 4000000 /dev/zero | tr \\\\0 x'\nresult = text\n",
             flag);
    struct server *s = small_disk(conf, patient, data);
    if (!s)
        return;
    struct answer *a = post(s, "/v1/jobs", "{\"task\":\"large\"}", 202);
    snprintf(path, sizeof(path), "/v1/jobs/%s", jstr(a->json, "id"));
    answer_free(a);
    char *body = large_job();
    fill_disk(s, body);
    free(body);
    FILE *f = fopen(flag, "w");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    server_signal(s, SIGTERM);
    ck_assert_int_eq(server_wait(s, LONG_MS), 74);
    ck_assert(log_has(s, "outcomes of jobs cannot be kept"));
    ck_assert_int_eq(mount("none", data, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    server_restart(s);
    strcat(path, "?wait=60");
    a = get(s, path, 200);
    ck_assert_msg(strcmp(jstr(a->json, "state"), "succeeded") == 0, "%.400s", a->body);
    ck_assert_int_eq(jint(a->json, "result_size"), 4000000);
    answer_free(a);
    end_on(s, data);
}
END_TEST

/* The service could not keep that the worker was heard. */
START_TEST(no_lease_runs_out_while_the_disk_is_full)
{
    char data[300];
    struct server *s = small_disk("[task far]\nkind = remote\nmax_attempts = 1\n", NULL, data);
    if (!s)
        return;
    answer_free(post(s, "/v1/jobs", "{\"task\":\"far\"}", 202));
    char *lease = take_lease(s, "{\"duration\":2}", NULL);
    int64_t expires_ms = now_ms() + 2000;
    char *body = large_job();
    fill_disk(s, body);
    for (int status = 0; now_ms() <= expires_ms;) { /* it stays full */
        struct answer *a = http(s, "POST", "/v1/jobs", body, NULL);
        status = a->status;
        answer_free(a);
        ck_assert(status == 507 || status == 202);
    }
    free(body);
    ck_assert_int_eq(mount("none", data, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    eventually(end_lease(s, lease, "complete", "{\"result\":1}") == 200, LONG_MS);
    free(lease);
    end_on(s, data);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_full_disk_refuses_and_recovers, it_ends_though_an_outcome_waits,
                                  no_lease_runs_out_while_the_disk_is_full};
    return run_suite("full", tests, sizeof(tests) / sizeof(tests[0]));
}
