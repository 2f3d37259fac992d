/*
 * hello.c - a task of one's own in C: greets {"name": "…"}.
 *
 *   cc -shared -fPIC -I../../include -o hello.so hello.c
 */
#include <jobmill_task.h>

#include <stdio.h>
#include <string.h>

static int run(struct jobmill_call *call, void *state)
{
    char text[256];
    (void)state;
    /* A real task reads its input with a JSON library; the bytes are the caller's, as they came. */
    if (call->input_len > 100)
        return jobmill_fail(call, "too_long", "the input may have at most 100 bytes", 1);
    jobmill_log(call, JOBMILL_INFO, "greeting", strlen("greeting"));
    jobmill_progress(call, 0.5, "halfway");
    int n = snprintf(text, sizeof(text), "{\"hello\":%.*s}", (int)call->input_len, (const char *)call->input);
    return jobmill_result_json(call, text, (size_t)n);
}

JOBMILL_TASK(.description = "greets what it is given", .run = run)
