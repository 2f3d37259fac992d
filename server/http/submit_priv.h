/*
 * submit_priv.h - what submit*.c share: one submission while it is read.
 */
#ifndef JOBMILL_HTTP_SUBMIT_PRIV_H
#define JOBMILL_HTTP_SUBMIT_PRIV_H

#include "submit.h"

#include "../../common/jsonscan.h"

#include <jansson.h>

#define SUBMIT_REF_MAX 64

/* What `unique` said. */
struct unique_terms {
    enum { UNIQUE_BY_INPUT, UNIQUE_BY_TASK, UNIQUE_BY_KEY } by;
    char key[256];
    int64_t period_us; /* 0: while the job has not ended */
};

/* One submission while it is read. */
struct terms {
    struct new_job *new;
    struct problem *problem;
    enum problem_place place;
    char prefix[32];      /* before a field's JSON pointer: "/jobs/17" in a batch */
    struct problem *late; /* see submit_later(); NULL: there is no later */
    struct refs *refs;    /* names of earlier items of a batch; NULL: it is none */
    char ref[SUBMIT_REF_MAX + 1]; /* its own; "": none */
    struct unique_terms unique;
    unsigned tags;
    bool has_task, has_timeout, has_attempts, has_input;
};

/* One field of the body, `value` being its JSON; 0, or a negative enum err with the problem filled. */
int fields_take_json(struct terms *t, const char *name, json_t *value);
/* All parameters of a raw submission. */
int fields_take_params(struct terms *t, struct request *rq);

/* Checks and reads a body that must be an object. On success *charged stays charged until the tree is
 * freed. */
int submit_parse(const char *body, size_t len, json_t **root, size_t *charged, struct problem *p);
/* Reads the text of one job, which was checked; its values are taken into t. */
int submit_text(struct terms *t, const char *text, size_t len, const struct jsonscan_look *look);
/* The look at a text that was checked as a part of another. */
void submit_look(const char *text, size_t len, struct jsonscan_look *look);
/* The name of a job of the batch; 0, or an error in t->problem: another one has it. In submit_many.c. */
int refs_add(struct refs *refs, const char *name, const struct id *id, struct terms *t);
/* A job that is a part of a body, at the pointer `prefix`; its text was checked. */
int submit_part(struct new_job *n, const char *text, size_t len, const char *prefix,
                struct problem *p);

/* The course of one submission: begun, its fields taken, its input put into the job, completed. */
void submit_begin(struct terms *t, struct new_job *n, struct problem *p, enum problem_place place);
int submit_complete(struct terms *t);
/* What is refused only for the time that it is, or for how the service is now, was perhaps not refused when
 * the request came first with its key, and then the answer of that time stands. `err`, of t->problem, is
 * put off into t->late where there is that, and 0. */
int submit_later(struct terms *t, int err);
/* For t->late: where that is kept, without anything yet; NULL for a change without a key. */
struct problem *submit_begin_late(const struct change *c, struct problem *late);
/* Does the caller see all that the job depends on? What is not there at all is the writer's. 0, or an error in t->problem. */
int submit_parents_seen(struct terms *t);
/* When all was read: 0, or what was put off, as nothing was kept for this request. */
int submit_now(const struct change *c, const struct problem *late, struct problem *p);
/* Is it JSON, and of what form? `look` may be NULL. */
int submit_check_text(const char *body, size_t len, struct jsonscan_look *look, struct problem *p);
/* The same, and nothing that a tree could not hold: a name given twice, a number outside the range of a double. */
int submit_check_whole(const char *body, size_t len, struct problem *p);
/* Of a change with a key; others need none. */
void submit_fingerprint(struct change *c, const char *what, const char *body, size_t len);

/* A value that was refused, as a problem tells it: a text bare where one was wanted, else in quotation marks.
 * `shown` is used where it is no text; NULL: there is no value. */
#define FIELDS_SHOWN 104
const char *fields_show(const json_t *value, bool text_wanted, char shown[FIELDS_SHOWN]);
/* Fills the problem for a field of this submission. */
int fields_refuse(struct terms *t, const char *name, const char *limit, const char *value);

#endif
