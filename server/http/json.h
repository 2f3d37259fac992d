/*
 * json.h - struct job and the figures of the service -> JSON text.
 */
#ifndef JOBMILL_HTTP_JSON_H
#define JOBMILL_HTTP_JSON_H

#include "../../common/board.h"
#include "../../common/buf.h"
#include "../../common/job.h"

#include "../reader.h"
#include "../writer.h"

#include <stdbool.h>
#include <stdint.h>

/* A job as clients see it. `running` is where it runs now, or NULL. Input and result stand in it where
 * the job carries their bytes. */
void json_job(struct buf *out, const struct job *job, const struct slot_view *running);
/* The same, with the scoreboard asked where the job runs. */
void json_job_now(struct buf *out, const struct job *job);

/* The same with all that is known of its attempts: `past` are those before the last, newest first. */
void json_job_whole(struct buf *out, const struct job *job, const struct attempt_record *past,
                    size_t n);
/* A job as it was accepted: what the client asked, made of the kept job (or of that of a replay). Its
 * input is the client's own bytes; NULL: left out. In api_jobs.c. */
void json_accepted(struct buf *out, const struct new_job *asked, const struct job *kept,
                   const char *input, size_t input_len);
/* The calls of its callback_url, as an array; false: there are none, and nothing was added. */
bool json_deliveries(struct buf *out, const struct id *subject);
void json_group(struct buf *out, const struct group *g);
/* What a schedule submits. */
void json_template(struct buf *out, const struct job *job);
/* Its id, state, and result or error. */
void json_outcome(struct buf *out, const struct job *job);

void json_id(struct buf *out, const struct id *id);
void json_text(struct buf *out, const char *text); /* a JSON string */
void json_time(struct buf *out, int64_t wall_us);    /* "2026-11-23T03:19:00.123Z" with its quotes */
void json_seconds(struct buf *out, int64_t us);      /* 1.5; whole seconds without a point */
/* {"fraction","message"}; fraction NULL, message "": not told. */
void json_progress(struct buf *out, const double *fraction, const char *message);
void json_counts(struct buf *out, const uint64_t *count); /* {"scheduled":…} of JOB_STATES counts */

bool json_type_is_plain(const char *type); /* "" and application/json with any parameters */
bool json_type_is_form(const char *type);  /* what curl -d says of whatever it sends */
bool json_type_is_json(const char *type);  /* these, and +json */

#endif
