/*
 * task_name.c - looking up a task's name, and the nearest one when there is none. Any thread.
 */
#include "task_name.h"

#include "../../common/err.h"
#include "../../common/job.h"
#include "../reader.h"

#include <stdio.h>
#include <string.h>

/* Edits from a to b, both at most JOB_TASK_MAX bytes. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[JOB_TASK_MAX + 1];
    size_t n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < n; j++) {
            unsigned least = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            if (row[j] + 1 < least)
                least = row[j] + 1;
            if (diagonal + 1 < least)
                least = diagonal + 1;
            row[j + 1] = least;
        }
    }
    return row[n];
}

static const char *nearest(const char *name)
{
    const struct taskdefs *defs = reader_tasks();
    unsigned least = 4; /* what is further off is another word */
    const char *best = NULL;
    for (uint32_t i = 0; i < defs->tasks; i++) {
        unsigned far = distance(name, defs->task[i].name);
        if (far < least) {
            least = far;
            best = defs->task[i].name;
        }
    }
    return best;
}

static void describe(const char *name, struct problem *p)
{
    const struct taskdefs *defs = reader_tasks();
    const char *like = name[0] ? nearest(name) : NULL;
    size_t room = sizeof(p->detail);
    size_t at = (size_t)snprintf(p->detail, room, "there is no task `%s`", name);
    if (like)
        at += (size_t)snprintf(p->detail + at, room - at, "; did you mean `%s`?", like);
    at += (size_t)snprintf(p->detail + at, room - at, "; there are:");
    for (uint32_t i = 0; i < defs->tasks; i++) {
        size_t need = strlen(defs->task[i].name) + 2;
        if (at + need + 5 > room) {
            snprintf(p->detail + at, room - at, ", …");
            break;
        }
        at +=
            (size_t)snprintf(p->detail + at, room - at, "%s %s", i ? "," : "", defs->task[i].name);
    }
}

int task_name_find(const char *text, size_t len, uint32_t *index, enum problem_place place,
                   struct problem *p)
{
    char name[JOB_TASK_MAX + 1];
    size_t kept = len < sizeof(name) - 1 ? len : sizeof(name) - 1;
    memcpy(name, text, kept);
    name[kept] = 0;
    int found =
        len == kept && job_task_name_ok(name, len) ? taskdefs_find(reader_tasks(), name) : -1;
    if (found >= 0) {
        *index = (uint32_t)found;
        return 0;
    }
    if (place == PLACE_NONE)
        problem_set(p, ERR_UNKNOWN_TASK, " ");
    else
        problem_field(p, ERR_UNKNOWN_TASK, place, "/task", NULL, name);
    describe(name, p);
    return -ERR_UNKNOWN_TASK;
}
