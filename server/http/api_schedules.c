/*
 * api_schedules.c - jobs that are submitted by the clock: make, show, hold back, remove. HTTP
 * threads.
 */
#include "api.h"
#include "api_jobs.h"
#include "api_list.h"
#include "json.h"
#include "request.h"
#include "submit.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../conf.h"
#include "../reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEXT_TOLD 5

static void answer_error(struct request *rq, int err, const char *name)
{
    struct problem p;
    if (err == -ERR_NO_SCHEDULE) {
        problem_set(&p, err, "there is no schedule `%.80s`", name);
        request_problem(rq, &p);
    } else if (err == -ERR_CONFLICT) {
        problem_set(&p, err,
                    "there are %lld schedules already, which is the limit (`max_schedules`)",
                    (long long)http_conf->max_schedules);
        request_problem(rq, &p);
    } else {
        request_error(rq, err);
    }
}

static void add_schedule(struct buf *out, const struct schedule *g)
{
    int64_t next[NEXT_TOLD], now_us = clock_wall_us();
    AUTO_BUF why = BUF_INIT; /* the writer's log tells it */
    int n = 0, more = 0;
    if (g->next_us > now_us)
        next[n++] = g->next_us;
    if (g->next_us)
        more = schedule_next(g, n ? next[0] : now_us, next + n, NEXT_TOLD - n, &why);
    n += more > 0 ? more : 0;
    buf_adds(out, "{\"name\":");
    json_text(out, g->name);
    buf_adds(out, ",\"cron\":");
    json_text(out, g->cron);
    buf_adds(out, ",\"time_zone\":");
    json_text(out, g->time_zone);
    buf_addf(out, ",\"overlap\":\"%s\",\"missed\":\"%s\",\"paused\":%s,\"created_at\":",
             overlap_name(g->overlap), g->catch_up ? "once" : "none", g->paused ? "true" : "false");
    json_time(out, g->created_us);
    if (g->job.owner[0]) {
        buf_adds(out, ",\"owner\":");
        json_text(out, g->job.owner);
    }
    if (g->last_us) {
        buf_adds(out, ",\"last_run_at\":");
        json_time(out, g->last_us);
    }
    if (!id_is_nil(&g->last_job)) {
        buf_adds(out, ",\"last_job\":");
        json_id(out, &g->last_job);
    }
    buf_adds(out, ",\"next\":[");
    for (int i = 0; i < n; i++) {
        buf_adds(out, i ? "," : "");
        json_time(out, next[i]);
    }
    buf_adds(out, "],\"job\":");
    json_template(out, &g->job);
    buf_addc(out, '}');
}

static bool path_name(struct request *rq, char name[SCHEDULE_NAME_MAX + 1])
{
    bool ok = rq->part.len <= SCHEDULE_NAME_MAX && job_task_name_ok(rq->part.text, rq->part.len);
    snprintf(name, SCHEDULE_NAME_MAX + 1, "%.*s", (int)(ok ? rq->part.len : 0), rq->part.text);
    struct problem p = {0};
    if (!ok)
        problem_set(&p, ERR_NO_SCHEDULE, "`%.*s` is not the name of a schedule",
                    (int)(rq->part.len < 80 ? rq->part.len : 80), rq->part.text);
    if (!request_no_more_params(rq, &p))
        return true;
    request_problem(rq, &p);
    return false;
}

/* ---- read ---- */

static int read_look(struct request *rq, struct schedule_look *l, unsigned *most, struct problem *p)
{
    int err = list_limit(rq, LIST_LIMIT_MAX, most, p);
    const char *cursor = err ? NULL : request_param(rq, "cursor", p);
    *l = (struct schedule_look){.after = cursor ? cursor : "",
                                .owner = list_owner(rq),
                                .inline_max = http_conf->inline_max};
    if (p->err)
        return -p->err;
    if (cursor && !job_task_name_ok(cursor, strlen(cursor)))
        return problem_field(p, ERR_BAD_CURSOR, PLACE_PARAMETER, "cursor",
                             "what `next` of an earlier page had", cursor);
    return request_no_more_params(rq, p);
}

void api_schedules_list(struct request *rq)
{
    struct problem p = {0};
    size_t n = 0;
    unsigned most = 0;
    struct schedule_look look;
    if (read_look(rq, &look, &most, &p)) {
        request_problem(rq, &p);
        return;
    }
    struct schedule *all = calloc(most + 1, sizeof(*all)); /* one more: is there a next page? */
    int err = all ? reader_schedules(&look, all, most + 1, &n) : -ERR_NOMEM;
    struct buf *out = request_json(rq, 200);
    buf_adds(out, "{\"schedules\":[");
    const char *before = "\n";
    for (size_t i = 0; i < n; i++) {
        if (i < most) {
            buf_adds(out, before);
            add_schedule(out, &all[i]);
            before = ",\n";
        }
        schedule_release(&all[i]);
    }
    buf_adds(out, "],\"next\":");
    if (n > most) {
        const char *last = all[most - 1].name;
        buf_addf(out, "\"/v1/schedules?limit=%u&cursor=%s\"", most, last);
        request_add_header(rq, "Link", "</v1/schedules?limit=%u&cursor=%s>; rel=\"next\"", most,
                           last);
    } else {
        buf_adds(out, "null");
    }
    buf_adds(out, "}\n");
    free(all);
    if (err)
        request_error(rq, err);
    else
        request_with_etag(rq);
}

/* Of the caller's own, or any that it may read. */
static int read_seen(const struct request *rq, const char *name, struct schedule *g)
{
    int err = reader_schedule(name, g);
    if (err || caller_sees(&rq->caller, g->job.owner))
        return err;
    schedule_release(g);
    return -ERR_NO_SCHEDULE;
}

/* One that is to be changed, as it is now. False: it is not there, or not the caller's, and that is
 * answered. */
static bool read_own(struct request *rq, const char *name, struct schedule *g)
{
    struct problem p = {0};
    int err = read_seen(rq, name, g);
    if (err) {
        answer_error(rq, err, name);
        return false;
    }
    if (caller_may_change(&rq->caller, g->job.owner, "schedule", &p) == 0)
        return true;
    schedule_release(g);
    request_problem(rq, &p);
    return false;
}

static void answer_schedule(struct request *rq, const char *name)
{
    struct schedule g;
    int err = read_seen(rq, name, &g);
    if (err) {
        answer_error(rq, err, name);
        return;
    }
    struct buf *out = request_json(rq, 200);
    add_schedule(out, &g);
    buf_addc(out, '\n');
    schedule_release(&g);
}

void api_schedules_get(struct request *rq)
{
    char name[SCHEDULE_NAME_MAX + 1];
    if (!path_name(rq, name))
        return;
    answer_schedule(rq, name);
    if (rq->reply.status == 200)
        request_with_etag(rq);
}

/* ---- change ---- */

static void changed(struct request *rq)
{
    const struct change *c = rq->change;
    if (c->err)
        answer_error(rq, c->err, c->schedule->name);
    else if (c->schedule_act == SCHEDULE_DELETE)
        rq->reply.status = 204;
    else
        answer_schedule(rq, c->schedule->name);
}

static struct change *change_new(struct request *rq, enum schedule_act act)
{
    struct change *c = request_change(rq, CHANGE_SCHEDULE);
    if (!c)
        return NULL;
    c->schedule = calloc(1, sizeof(*c->schedule));
    if (!c->schedule) {
        request_error(rq, -ERR_NOMEM);
        return NULL;
    }
    schedule_init(c->schedule);
    c->schedule_act = act;
    return c;
}

/* A schedule of somebody else's is not replaced; one that is, keeps its owner: then that is in
 * `owner`. 0, or an error with p. */
static int check_owner(const struct request *rq, const char *name, char owner[JOB_TASK_MAX + 1],
                       struct problem *p)
{
    struct schedule old;
    int err = reader_schedule(name, &old);
    if (err == -ERR_NO_SCHEDULE)
        return 0;
    if (err)
        return problem_set(p, err, "%s", err_sentence(err));
    err = caller_sees(&rq->caller, old.job.owner)
              ? caller_may_change(&rq->caller, old.job.owner, "schedule", p)
              : problem_set(p, ERR_CONFLICT, "the name `%s` is taken", name);
    memcpy(owner, old.job.owner, sizeof(old.job.owner));
    schedule_release(&old);
    return err;
}

/* Since its owner was looked at, somebody else made one of this name, and was first. */
static void overtaken(struct request *rq, const char *name)
{
    struct problem p;
    char owner[JOB_TASK_MAX + 1];
    if (check_owner(rq, name, owner, &p) == 0)
        problem_set(&p, ERR_CONFLICT, "`%s` became another token's meanwhile: ask again", name);
    request_problem(rq, &p);
}

static void put(struct request *rq)
{
    const struct change *c = rq->change;
    if (c->err == -ERR_FORBIDDEN) {
        overtaken(rq, c->schedule->name);
        return;
    }
    if (c->err) {
        answer_error(rq, c->err, c->schedule->name);
        return;
    }
    request_add_header(rq, "Location", "/v1/schedules/%s", c->schedule->name);
    answer_schedule(rq, c->schedule->name);
}

void api_schedules_put(struct request *rq)
{
    struct problem p = {0};
    struct change *c = change_new(rq, SCHEDULE_PUT);
    if (!c)
        return;
    int err = request_no_more_params(rq, &p);
    if (!err)
        err = submit_schedule(c, rq->body.data, rq->body.len, &p);
    if (!err)
        err = check_owner(rq, c->schedule->name, c->schedule->job.owner, &p);
    if (err)
        request_problem(rq, &p);
    else
        request_commit(rq, NULL, put);
}

void api_schedules_delete(struct request *rq)
{
    char name[SCHEDULE_NAME_MAX + 1];
    struct change *c = path_name(rq, name) ? change_new(rq, SCHEDULE_DELETE) : NULL;
    if (c && read_own(rq, name, c->schedule))
        request_commit(rq, NULL, changed);
}

static void hold(struct request *rq, bool paused)
{
    char name[SCHEDULE_NAME_MAX + 1];
    struct change *c = path_name(rq, name) ? change_new(rq, SCHEDULE_PAUSE) : NULL;
    if (!c || !read_own(rq, name, c->schedule))
        return;
    c->schedule->paused = paused;
    request_commit(rq, NULL, changed);
}

void api_schedules_pause(struct request *rq)
{
    hold(rq, true);
}

static void ran(struct request *rq)
{
    const struct change *c = rq->change;
    char id[ID_TEXT];
    struct problem p;
    struct job job;
    if (c->err == -ERR_CONFLICT) {
        id_format(&c->which, id);
        problem_set(&p, c->err, "its last job, %s, has not ended, and `overlap` is `skip`", id);
        request_problem(rq, &p);
        return;
    }
    if (c->err == -ERR_UNKNOWN_TASK) {
        problem_set(&p, c->err, "there is no task `%s` any more", c->schedule->job.task);
        request_problem(rq, &p);
        return;
    }
    if (c->err) {
        answer_error(rq, c->err, c->schedule->name);
        return;
    }
    rq->id = c->one.job.id;
    if (!jobs_read(rq, READ_INPUT, http_conf->inline_max, &job))
        return;
    id_format(&rq->id, id);
    request_add_header(rq, "Location", "/v1/jobs/%s", id);
    struct buf *out = request_json(rq, 202);
    json_job_now(out, &job);
    buf_addc(out, '\n');
    job_release(&job);
}

void api_schedules_run(struct request *rq)
{
    char name[SCHEDULE_NAME_MAX + 1];
    struct problem p = {0};
    if (http_draining()) {
        request_error(rq, -ERR_DRAINING);
        return;
    }
    struct change *c = path_name(rq, name) ? change_new(rq, SCHEDULE_RUN) : NULL;
    if (!c || !read_own(rq, name, c->schedule))
        return;
    if (caller_may_task(&rq->caller, c->schedule->job.task, &p))
        request_problem(rq, &p);
    else
        request_commit(rq, NULL, ran);
}

void api_schedules_resume(struct request *rq)
{
    hold(rq, false);
}
