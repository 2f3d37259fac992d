/*
 * submit.h - what a client sent for new jobs -> a change that the writer can keep.
 */
#ifndef JOBMILL_HTTP_SUBMIT_H
#define JOBMILL_HTTP_SUBMIT_H

#include "../writer.h"
#include "problem.h"

#include <stddef.h>
#include <stdint.h>

struct request;


/* Names that earlier items of a batch gave themselves, with their ids. */
struct refs;
bool refs_find(const struct refs *refs, const char *name, struct id *id);

#define SUBMIT_URL_TEXT "an http or https URL of at most 2047 bytes, without a user name"
bool submit_url_ok(const char *text, size_t len); /* text may be NULL */
#define SUBMIT_HOST_TEXT "at an address that may be called: a public one, or one that `webhook_allow` names"

/* Each fills c (from request_change) but its key; 0, or a negative enum err with p filled. */
int submit_json(struct change *c, const char *body, size_t len, struct problem *p);
/* A raw body for the task that the path names; takes the request's query parameters, and its body. */
int submit_raw(struct change *c, struct request *rq, struct problem *p);
/* Before anything is asked of the query: a body of multipart/form-data becomes the part that is a file, and
 * its other parts join the query. Another body is left alone. */
int submit_multipart(struct request *rq, struct problem *p);
/* {"jobs":[…],"callback_url"}: c->items, and the group's id. */
int submit_batch(struct change *c, const char *body, size_t len, struct problem *p);

/* {"name","cron","time_zone","overlap","missed","paused","job":{…}}: c->schedule, but its times. */
int submit_schedule(struct change *c, const char *body, size_t len, struct problem *p);

/* A part of a batch that comes line by line: adds one job to c->items (room is made); `number` counts
 * the lines from 0. */
struct submit_lines;
struct submit_lines *submit_lines_new(void); /* NULL: out of memory */
void submit_lines_free(struct submit_lines *l);
size_t submit_lines_memory(const struct submit_lines *l); /* of their names, bytes, about */
/* Memory for the tree of a text, `cost` by input_parse_cost(), until request_discharge(). */
int submit_charge(size_t cost, struct problem *p);
/* Of the items those that are the group's own: another job that `unique` found is told, and is none of them. */
size_t submit_count_new(const struct change *c);
/* A part was kept: what was there already under another id has that by its name, too. */
void submit_lines_kept(struct submit_lines *l, const struct change *c);
bool submit_lines_refs(const struct submit_lines *l); /* did one of them have a `ref`? */
int submit_line(struct submit_lines *l, struct change *c, const char *line, size_t len,
                size_t number, struct problem *p);

/* ?validate_only=: all checks of a submission, and nothing kept. */
int submit_validate_only(struct request *rq, bool *on, struct problem *p);
/* The Idempotency-Key header, or NULL. */
int submit_key(struct change *c, const char *header, struct problem *p);
/* Nothing is known of c->which, on which a job depends. -ERR_UNKNOWN_DEPENDENCY. */
int submit_unknown(const struct change *c, enum problem_place place, struct problem *p);
/* Is all there that the one job depends on? The writer asks itself; this is for what is not kept. */
int submit_check_parents(const struct change *c, enum problem_place place, struct problem *p);
/* What the key named is gone. -ERR_FORGOTTEN. */
int submit_forgotten(struct problem *p, bool is_group, const struct id *which);

/* When a job that was asked for like this becomes due, and the state it starts in. */
int64_t submit_due(const struct new_job *n, int64_t created_us);
enum job_state submit_state(const struct new_job *n, int64_t created_us);

#endif
