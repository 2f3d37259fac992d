/* job.c - the states of a job as job.def lists them, and the care of its memory. Any thread. */
#include "job.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TO(symbol) (1u << JOB_##symbol)

static const struct {
    const char *name;
    unsigned to; /* a bit for each state that it may move to */
    bool final;
} states[JOB_STATES] = {
#define STATE(symbol, number, name, to, final) [number] = {name, to, final},
#include "job.def"
#undef STATE
};

void job_error_clear(struct job_error *e)
{
    e->signal = 0;
    e->exit_code = -1;
    e->code[0] = e->message[0] = 0;
}

void job_init(struct job *job)
{
    memset(job, 0, offsetof(struct job, input_type));
    job->input_type[0] = job->result_type[0] = job->backoff[0] = 0;
    job_error_clear(&job->error);
}

void loan_begins(const struct loan *l, int64_t now_us)
{
    if (!l->begun)
        return;
    uint32_t last = atomic_load_explicit(&l->begun->number, memory_order_relaxed);
    if ((int32_t)(last - l->number) > 0)
        return; /* its claim was written meanwhile, and the place is another's */
    atomic_store_explicit(&l->begun->at_us, now_us, memory_order_relaxed);
    atomic_store_explicit(&l->begun->number, l->number, memory_order_release);
}

void attempt_init(struct attempt *a)
{
    memset(a, 0, offsetof(struct attempt, result_type));
    a->result_type[0] = 0;
    job_error_clear(&a->error);
}

void job_release(struct job *job)
{
    buf_release(&job->depends_on);
    buf_release(&job->callback_url);
    buf_release(&job->params);
    buf_release(&job->checkpoint);
    free(job->parents);
    job->parents = NULL;
    job->parents_count = 0;
    buf_release(&job->tags);
    buf_release(&job->input);
    buf_release(&job->result);
}

void attempt_release(struct attempt *a)
{
    buf_release(&a->result);
}

const char *job_state_name(enum job_state state)
{
    return (unsigned)state < JOB_STATES ? states[state].name : "unknown";
}

int job_state_parse(const char *name, size_t len)
{
    for (int i = 0; i < JOB_STATES; i++) {
        if (strlen(states[i].name) == len && memcmp(states[i].name, name, len) == 0)
            return i;
    }
    return -1;
}

bool job_state_final(enum job_state state)
{
    return (unsigned)state < JOB_STATES && states[state].final;
}

bool job_state_may_move(enum job_state from, enum job_state to)
{
    return (unsigned)from < JOB_STATES && (unsigned)to < JOB_STATES &&
           (states[from].to & 1u << to) != 0;
}

void job_move(struct job *job, enum job_state to)
{
    assert(job_state_may_move(job->state, to));
    job->state = to;
}

bool job_task_name_ok(const char *name, size_t len)
{
    if (len == 0 || len > JOB_TASK_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || (c != '_' && c != '.' && c != '-')))
            return false;
    }
    return true;
}

/* Shortens text so that it ends with a whole UTF-8 sequence. */
static void cut_at_boundary(char *text)
{
    size_t len = strlen(text), back = 0;
    while (back < 4 && back < len && ((unsigned char)text[len - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back == len || back == 4)
        return;
    unsigned char lead = (unsigned char)text[len - 1 - back];
    size_t want = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (want > back)
        text[len - 1 - back] = '\0';
}

void job_error_set(struct job_error *e, const char *code, const char *fmt, ...)
{
    job_error_clear(e);
    snprintf(e->code, sizeof(e->code), "%s", code);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    cut_at_boundary(e->message);
}
