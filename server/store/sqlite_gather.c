/*
 * sqlite_gather.c - the input of a job that gathers: {"parents":[…]}, how what it depends on ended,
 * in the order in which it was named. Made when the job begins, and not kept.
 *
 * The writer's thread, inside its transaction.
 */
#include "sqlite.h"

#include "../../common/err.h"
#include "../../common/jsonscan.h"

#include <string.h>
#include <strings.h>

#define GATHER_MAX                                                                                 \
    (UINT64_C(32) << 20) /* bytes of results; those past it are named without them                 \
                          */

struct gather {
    struct sqlite_store *s;
    struct buf *out;
    uint64_t left;
    bool any;
    int err;
};

static bool is_json(const char *type)
{
    size_t len = strcspn(type, "; \t");
    return len == 0 || (len == 16 && strncasecmp(type, "application/json", 16) == 0) ||
           (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

static void add_result(struct gather *g, const struct job *job)
{
    if (job->result_size > g->left || !job->result.data) {
        buf_addf(g->out, ",\"result_size\":%zu", job->result_size);
        return;
    }
    g->left -= job->result_size;
    if (is_json(job->result_type)) {
        buf_adds(g->out, ",\"result\":");
        buf_add(g->out, job->result.data, job->result.len);
    } else if (strncasecmp(job->result_type, "text/", 5) == 0) {
        buf_adds(g->out, ",\"result\":");
        buf_add_json_string(g->out, job->result.data, job->result.len);
    } else {
        buf_addf(g->out, ",\"result_size\":%zu", job->result_size);
    }
}

static void add_job(struct gather *g, const struct job *job)
{
    char text[ID_TEXT];
    id_format(&job->id, text);
    buf_adds(g->out, g->any ? "," : "");
    g->any = true;
    buf_addf(g->out, "{\"id\":\"%s\",\"task\":\"%s\",\"state\":\"%s\"", text, job->task,
             job_state_name(job->state));
    if (job->has_result && job->state == JOB_SUCCEEDED)
        add_result(g, job);
    if (job->error.code[0]) {
        buf_adds(g->out, ",\"error\":{\"code\":");
        buf_add_json_string(g->out, job->error.code, strlen(job->error.code));
        buf_adds(g->out, ",\"message\":");
        buf_add_json_string(g->out, job->error.message, strlen(job->error.message));
        buf_addc(g->out, '}');
    }
    buf_addc(g->out, '}');
}

static int add_by_key(struct gather *g, int64_t key)
{
    struct job job;
    int got = db_first(&g->s->db, STMT_JOB_GET, PARAMS(P_INT(key)));
    if (got != 1)
        return got;
    int err = row_job(g->s, &g->s->db, READ_RESULT, (size_t)g->left, &job);
    db_done(&g->s->db, STMT_JOB_GET);
    if (err)
        return err;
    add_job(g, &job);
    job_release(&job);
    return 1;
}

/* Its jobs that are kept. 1: there is such a group; 0: none. */
static int add_group(struct gather *g, const struct id *id)
{
    int64_t keys[STORE_BATCH], after = 0;
    size_t n = STORE_BATCH;
    struct group group;
    int err = group_find(g->s, &g->s->db, id, &group);
    if (err)
        return err == -ERR_NO_GROUP ? 0 : err;
    group_release(&group);
    while (n == STORE_BATCH) {
        n = 0;
        int got = db_first(&g->s->db, STMT_LIST_GROUP_UP, PARAMS(P_INT(after), P_INT(id_key(id))));
        for (; got == 1 && n < STORE_BATCH; got = db_next(&g->s->db, STMT_LIST_GROUP_UP))
            keys[n++] = sqlite3_column_int64(g->s->db.stmt[STMT_LIST_GROUP_UP], 0);
        if (got == 1)
            db_done(&g->s->db, STMT_LIST_GROUP_UP);
        for (size_t i = 0; i < n && got >= 0; i++)
            got = add_by_key(g, keys[i]);
        if (got < 0)
            return got;
        after = n ? keys[n - 1] : after;
    }
    return 1;
}

/* Of which nothing is known any more but that it was named. */
static void add_forgotten(struct gather *g, const struct id *id)
{
    char text[ID_TEXT];
    id_format(id, text);
    buf_addf(g->out, "%s{\"id\":\"%s\",\"state\":\"forgotten\"}", g->any ? "," : "", text);
    g->any = true;
}

static bool each_parent(void *arg, size_t index, const char *value, size_t vlen)
{
    struct gather *g = arg;
    struct id id;
    (void)index;
    if (vlen != ID_TEXT + 1 || !id_parse(&id, value + 1, vlen - 2)) {
        g->err = -ERR_STORE_CORRUPT;
        return false;
    }
    int got = add_by_key(g, (int64_t)id_key(&id));
    if (got == 0)
        got = add_group(g, &id);
    if (got == 0)
        add_forgotten(g, &id);
    g->err = got < 0 ? got : 0;
    return g->err == 0;
}

int gather_input(struct sqlite_store *s, struct job *job)
{
    struct gather g = {.s = s, .out = &job->input, .left = GATHER_MAX};
    buf_clear(&job->input);
    buf_adds(&job->input, "{\"parents\":[");
    if (!jsonscan_elements(job->depends_on.data ? job->depends_on.data : "", job->depends_on.len,
                           each_parent, &g))
        return -ERR_STORE_CORRUPT;
    buf_adds(&job->input, "]}");
    job->input_size = job->input.len;
    return g.err ? g.err : job->input.failed ? -ERR_NOMEM : 0;
}
