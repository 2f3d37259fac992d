/*
 * api_list.h - filters and pages of jobs, for the handlers that list, gather or change many.
 */
#ifndef JOBMILL_HTTP_API_LIST_H
#define JOBMILL_HTTP_API_LIST_H

#include "../reader.h"
#include "problem.h"

struct request;

const char *list_owner(const struct request *rq); /* whose alone the caller sees; NULL: anybody's */
/* state, task, tag, group, created_after and created_before of the query; the group's id is kept in rq->id. 0, or an error in p. */
int list_filter(struct request *rq, struct job_filter *f, struct problem *p);
/* `ids` as a list has them, up to LIST_IDS_MAX. 0, or an error in p. */
#define LIST_IDS_MAX 100
int list_ids_read(const char *text, struct id *ids, size_t *count, struct problem *p);
/* What does not go with what the request has: 0, or an error in p that says so of the first of `names`, which end with NULL. */
int list_refuse_other(const struct request *rq, const char *const *names, const char *limit,
                      struct problem *p);
#define LIST_LIMIT_MAX 1000
/* `limit`, or `otherwise` where it is not given. 0, or an error in p. */
int list_limit(struct request *rq, unsigned otherwise, unsigned *limit, struct problem *p);
/* limit and cursor, and no other parameter. */
int list_cursor(struct request *rq, struct job_filter *f, struct problem *p);
#define RESULTS_BYTES (1u << 20) /* of the results in one answer, about */
/* Where a look ended, as text that nobody builds on. False: it is none. */
#define LIST_CURSOR_TEXT 23 /* bytes, with its zero */
void list_cursor_format(const struct id *id, char out[LIST_CURSOR_TEXT]);
bool list_cursor_parse(const char *text, struct id *id);
/* Appends the address at which the same filter goes on at the cursor. Its limit (0: none), state and all else are
 * left out where the filter has none. */
void list_address(const char *path, const struct job_filter *f, const char *cursor, struct buf *out);
/* Appends the address of the next page, or null, and adds the Link header. */
void list_next(struct request *rq, const char *path, const struct job_filter *f,
               const struct job_page *page, struct buf *out);

#endif
