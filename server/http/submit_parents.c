/* submit_parents.c - what a submitted job depends on: is it there, may the caller see it? HTTP
 * threads. */
#include "submit_priv.h"

#include "../../common/err.h"
#include "../reader.h"
#include "auth.h"

#include <stdio.h>
#include <string.h>

static int unknown_parent(struct problem *p, enum problem_place place, const char *prefix,
                          const struct job *job, size_t at)
{
    char field[64], id[ID_TEXT];
    id_format(&job->parents[at], id);
    if (place == PLACE_POINTER)
        snprintf(field, sizeof(field), "%s/depends_on/%zu", prefix, at);
    problem_field(p, ERR_UNKNOWN_DEPENDENCY, place, place == PLACE_POINTER ? field : "depends_on",
                  NULL, id);
    snprintf(p->detail, sizeof(p->detail),
             "`%s`: there is no job or group `%s`, or it was forgotten",
             place == PLACE_POINTER ? p->name + 1 : p->name, id);
    return -p->err;
}

/* Whose it is: 0 and if the caller sees it, or -ERR_NO_GROUP, … */
static int find_parent(const struct id *id, bool *seen)
{
    struct job job;
    struct group group;
    int err = reader_job(id, 0, 0, &job);
    if (!err) {
        *seen = caller_sees(auth_caller, job.owner);
        job_release(&job);
        return 0;
    }
    err = err == -ERR_NO_JOB ? reader_group(id, &group) : err;
    if (!err) {
        *seen = caller_sees(auth_caller, group.owner);
        group_release(&group);
    }
    return err;
}

int submit_parents_seen(struct terms *t)
{
    const struct job *job = &t->new->job;
    for (size_t i = 0; i < job->parents_count - t->new->known; i++) {
        bool seen = true;
        int err = find_parent(&job->parents[i], &seen);
        if (err && err != -ERR_NO_GROUP)
            return problem_set(t->problem, err, "%s", err_sentence(err));
        if (!seen)
            return unknown_parent(t->problem, t->place, t->prefix, job, i);
    }
    return 0;
}

/* prefix: as in struct terms. */
static int check_parents_of(const struct new_job *n, enum problem_place place, const char *prefix,
                            struct problem *p)
{
    const struct job *job = &n->job;
    for (size_t i = 0; i < job->parents_count - n->known; i++) {
        bool seen;
        int err = find_parent(&job->parents[i], &seen);
        if (err == -ERR_NO_GROUP)
            return unknown_parent(p, place, prefix, job, i);
        if (err)
            return problem_set(p, err, "%s", err_sentence(err));
    }
    return 0;
}

int submit_check_parents(const struct change *c, enum problem_place place, struct problem *p)
{
    char prefix[32];
    int err = check_parents_of(&c->one, place, "", p);
    for (size_t i = 0; i < c->items_count && !err; i++) {
        snprintf(prefix, sizeof(prefix), "/jobs/%zu", c->items[i].number);
        err = check_parents_of(&c->items[i], place, prefix, p);
    }
    return err;
}

static bool find_which(const struct change *c, const struct job *job, size_t *at)
{
    for (*at = 0; *at < job->parents_count; (*at)++) {
        if (id_equal(&job->parents[*at], &c->which))
            return true;
    }
    return false;
}

int submit_unknown(const struct change *c, enum problem_place place, struct problem *p)
{
    char prefix[32];
    size_t at;
    if (find_which(c, &c->one.job, &at))
        return unknown_parent(p, place, "", &c->one.job, at);
    for (size_t i = 0; i < c->items_count; i++) {
        if (find_which(c, &c->items[i].job, &at)) {
            snprintf(prefix, sizeof(prefix), "/jobs/%zu", c->items[i].number);
            return unknown_parent(p, PLACE_POINTER, prefix, &c->items[i].job, at);
        }
    }
    return problem_set(p, ERR_UNKNOWN_DEPENDENCY, "%s", err_sentence(ERR_UNKNOWN_DEPENDENCY));
}
