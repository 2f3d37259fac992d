/*
 * submit_schedule.c - the body of a new schedule, field by field. Its job is checked like any other
 * submission; what says when it runs, or depends on others, has no place in it. HTTP threads.
 */
#include "submit_priv.h"

#include "../../common/clock.h"
#include "../../common/err.h"
#include "../../common/jsonscan.h"
#include "../conf.h"
#include "input_check.h"
#include "request.h"

#include <stdio.h>
#include <string.h>

static int bad(struct problem *p, const char *pointer, const char *limit, json_t *value)
{
    char shown[FIELDS_SHOWN];
    return problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, pointer, limit,
                         fields_show(value, true, shown));
}

static int take_text(struct problem *p, const char *pointer, json_t *value, char *out, size_t size)
{
    if (!json_is_string(value) || json_string_length(value) >= size ||
        strlen(json_string_value(value)) != json_string_length(value)) {
        char limit[64];
        snprintf(limit, sizeof(limit), "a text of at most %zu bytes", size - 1);
        return bad(p, pointer, limit, value);
    }
    memcpy(out, json_string_value(value), json_string_length(value) + 1);
    return 0;
}

static int take_name(struct schedule *g, json_t *v, struct problem *p)
{
    if (!json_is_string(v) || !job_task_name_ok(json_string_value(v), json_string_length(v)))
        return bad(p, "/name", "1 to 64 of " NAME_TEXT, v);
    return take_text(p, "/name", v, g->name, sizeof(g->name));
}

static int take_cron(struct schedule *g, json_t *v, struct problem *p)
{
    return take_text(p, "/cron", v, g->cron, sizeof(g->cron));
}

static int take_zone(struct schedule *g, json_t *v, struct problem *p)
{
    int err = take_text(p, "/time_zone", v, g->time_zone, sizeof(g->time_zone));
    return !err && !g->time_zone[0]
               ? bad(p, "/time_zone", "the name of a time zone, such as Europe/Berlin", v)
               : err;
}

static int take_overlap(struct schedule *g, json_t *v, struct problem *p)
{
    if (!json_is_string(v) || !overlap_parse(json_string_value(v), &g->overlap))
        return bad(p, "/overlap", "`skip`, `queue` or `replace`", v);
    return 0;
}

static int take_missed(struct schedule *g, json_t *v, struct problem *p)
{
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    g->catch_up = strcmp(text, "once") == 0;
    return g->catch_up || strcmp(text, "none") == 0 ? 0 : bad(p, "/missed", "`once` or `none`", v);
}

static int take_paused(struct schedule *g, json_t *v, struct problem *p)
{
    g->paused = json_is_true(v);
    return json_is_boolean(v) ? 0 : bad(p, "/paused", "true or false", v);
}

static int take_job(struct schedule *g, json_t *v, struct problem *p)
{
    (void)g; /* read by the caller, from its text */
    return json_is_object(v) ? 0 : bad(p, "/job", "a job", v);
}

static const struct {
    const char *name;
    int (*take)(struct schedule *g, json_t *v, struct problem *p);
} fields[] = {
    {"name", take_name},       {"cron", take_cron},     {"time_zone", take_zone},
    {"overlap", take_overlap}, {"missed", take_missed}, {"paused", take_paused},
    {"job", take_job},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static int take_fields(struct schedule *g, json_t *root, struct problem *p)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        size_t i = 0;
        while (i < FIELDS && strcmp(fields[i].name, name) != 0)
            i++;
        if (i == FIELDS) {
            char pointer[96];
            snprintf(pointer, sizeof(pointer), "/%s", name);
            return problem_unknown(p, pointer,
                                   "name, cron, time_zone, overlap, missed, paused, job");
        }
        int err = fields[i].take(g, value, p);
        if (err)
            return err;
    }
    if (!g->name[0] || !g->cron[0] || !json_object_get(root, "job"))
        return problem_missing(p,
                               !g->name[0]   ? "/name"
                               : !g->cron[0] ? "/cron"
                                             : "/job",
                               !g->name[0]   ? "the name of the schedule"
                               : !g->cron[0] ? "when it runs, such as `30 3 * * *`"
                                             : "what it runs, as POST /v1/jobs takes it");
    return 0;
}

static int check_times(struct schedule *g, struct problem *p)
{
    AUTO_BUF why = BUF_INIT;
    struct cron cron;
    struct zone *zone = NULL;
    if (!g->time_zone[0])
        snprintf(g->time_zone, sizeof(g->time_zone), "UTC");
    bool is_cron = cron_parse(g->cron, strlen(g->cron), &cron, &why) == 0;
    int read = is_cron ? zone_open(g->time_zone, &zone, &why) : -ERR_BAD_FIELD;
    if (read == -ERR_NOMEM || why.failed)
        return problem_set(p, ERR_NOMEM, "no memory for the schedule");
    if (read) {
        const char *pointer = is_cron ? "/time_zone" : "/cron";
        int err = problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, pointer, NULL,
                                is_cron ? g->time_zone : g->cron);
        snprintf(p->detail, sizeof(p->detail), "%s", why.data ? why.data : "it cannot be read");
        return err;
    }
    zone_free(zone);
    g->created_us = clock_wall_us();
    g->created_us -= g->created_us % US_PER_MS;
    int found = schedule_next(g, g->created_us, &g->next_us, 1, &why);
    if (found < 0)
        return problem_set(p, ERR_NOMEM, "no memory for the schedule");
    if (found == 0)
        return problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, "/cron", "a time that comes",
                             g->cron);
    return 0;
}

static int check_job(const struct new_job *n, struct problem *p)
{
    const char *odd = n->asked_run_at_us || n->asked_delay_us >= 0 ? "run_at and delay"
                      : n->job.expires_us                          ? "expires_at"
                      : n->job.parents_count                       ? "depends_on"
                      : n->unique                                  ? "unique"
                                                                   : NULL;
    if (!odd)
        return 0;
    problem_field(p, ERR_BAD_FIELD, PLACE_POINTER, "/job", NULL, NULL);
    snprintf(p->detail, sizeof(p->detail), "%s cannot stand in the job of a schedule", odd);
    return -ERR_BAD_FIELD;
}

int submit_schedule(struct change *c, const char *body, size_t len, struct problem *p)
{
    json_t *root = NULL;
    size_t charged = 0, job_len = 0;
    const char *job = NULL;
    int err = submit_parse(body, len, &root, &charged, p);
    if (err)
        return err;
    err = take_fields(c->schedule, root, p);
    json_decref(root);
    request_discharge(charged);
    if (!err)
        err = check_times(c->schedule, p);
    if (err)
        return err;
    jsonscan_member(body, len, "job", &job, &job_len);
    err = submit_part(&c->one, job, job_len, "/job", p);
    if (!err)
        err = check_job(&c->one, p);
    if (err)
        return err;
    c->schedule->job = c->one.job; /* moved */
    job_init(&c->one.job);
    return 0;
}
