/* sha256.c - the task `sha256`: the digest of {"text":"…"}, or of the bytes of a raw submission. */
#include "input.h"

#include <nettle/sha2.h>
#include <strings.h>

static int answer(struct jobmill_call *call, const void *data, size_t len)
{
    struct sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char text[2 * SHA256_DIGEST_SIZE + 16] = "{\"sha256\":\"";
    size_t n = strlen(text);
    sha256_init(&ctx);
    for (size_t at = 0; at < len;) {
        size_t some = len - at < (1u << 22) ? len - at : 1u << 22;
        if (jobmill_cancelled(call))
            return jobmill_fail(call, "cancelled", "told to give up", 0);
        sha256_update(&ctx, some, (const uint8_t *)data + at);
        at += some;
        jobmill_progress(call, (double)at / (double)len, NULL);
    }
    sha256_digest(&ctx, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%02x", digest[i]);
    n += (size_t)snprintf(text + n, sizeof(text) - n, "\"}");
    return jobmill_result_json(call, text, n);
}

static bool is_json(const char *type)
{
    size_t len = strcspn(type, "; \t");
    return strncasecmp(type, "application/json", 16) == 0 ||
           (len > 5 && strncasecmp(type + len - 5, "+json", 5) == 0);
}

static int run(struct jobmill_call *call, void *state)
{
    (void)state;
    if (!is_json(call->input_type))
        return answer(call, call->input, call->input_len);
    json_t *in = input_object(call);
    if (!in)
        return 1;
    const json_t *text = json_object_get(in, "text");
    int err;
    if (!json_is_string(text))
        err = input_bad(call, "text must be a string");
    else if (json_object_size(in) != 1)
        err = input_bad(call, "text is the only field of this task");
    else
        err = answer(call, json_string_value(text), json_string_length(text));
    json_decref(in);
    return err;
}

JOBMILL_TASK(.description = "SHA-256 of a text, or of the bytes of a raw submission", .run = run)
