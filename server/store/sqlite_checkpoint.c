/*
 * sqlite_checkpoint.c - the SQLite driver's checkpoints: what an attempt left for the next one. The
 * writer's thread, inside its transaction. Where there are none, nothing is asked.
 */
#include "sqlite.h"

#include "../../common/err.h"

int checkpoints_load(struct sqlite_store *s)
{
    int got = db_first(&s->db, STMT_CHECKPOINT_COUNT, NULL, 0);
    if (got != 1)
        return got;
    s->checkpoints = (uint64_t)sqlite3_column_int64(s->db.stmt[STMT_CHECKPOINT_COUNT], 0);
    db_done(&s->db, STMT_CHECKPOINT_COUNT);
    return 0;
}

int sqlite_checkpoint_keep(struct store *base, const struct id *job, uint32_t attempt,
                           const struct buf *data)
{
    struct sqlite_store *s = sqlite_of(base);
    const struct param p[] = {P_INT(id_key(job)), P_INT(attempt), P_TEXT(data->data, data->len)};
    int err = lent_write(s, job);
    if (err)
        return err;
    int n = s->checkpoints > 0 ? db_run(&s->db, STMT_CHECKPOINT_SET, p, 3) : 0;
    if (n == 0) {
        n = db_run(&s->db, STMT_CHECKPOINT_ADD, p, 3);
        s->checkpoints += n > 0;
    }
    return n < 0 ? n : 0;
}

int checkpoint_get(struct sqlite_store *s, struct job *job)
{
    if (s->checkpoints == 0)
        return 0;
    int got = db_first(&s->db, STMT_CHECKPOINT_GET, PARAMS(P_INT(id_key(&job->id))));
    if (got != 1)
        return got;
    sqlite3_stmt *st = s->db.stmt[STMT_CHECKPOINT_GET];
    const void *text = sqlite3_column_text(st, 0);
    buf_add(&job->checkpoint, text ? text : "", (size_t)sqlite3_column_bytes(st, 0));
    db_done(&s->db, STMT_CHECKPOINT_GET);
    return job->checkpoint.failed ? -ERR_NOMEM : 0;
}

int checkpoint_drop(struct sqlite_store *s, const struct id *job)
{
    if (s->checkpoints == 0)
        return 0;
    int n = db_run(&s->db, STMT_CHECKPOINT_DROP, PARAMS(P_INT(id_key(job))));
    s->checkpoints -= n > 0;
    return n < 0 ? n : 0;
}
