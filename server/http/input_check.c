/*
 * input_check.c - whether a submission's input fits its task's schema. HTTP threads; the schemas
 * are only read.
 *
 * The input is read once more, apart from the body: there integers are doubles, here they are
 * exact.
 */
#include "input_check.h"

#include "../../common/err.h"
#include "../conf.h"
#include "../schema.h"
#include "request.h"

#include <string.h>

/* jansson's tree is many times the size of its text: about this much for each mark that makes a
 * value. */
#define COST_OF_OBJECT 320
#define COST_OF_VALUE  96

size_t input_parse_cost(const char *text, size_t len)
{
    size_t cost = len;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '{')
            cost += COST_OF_OBJECT;
        else if (text[i] == ',' || text[i] == '[' || text[i] == ':')
            cost += COST_OF_VALUE;
    }
    return cost;
}

static int tell(int err, struct problem *p)
{
    return problem_set(p, err, "%s", err_sentence(-err));
}

static int check(const struct schema *s, const json_t *value, const char *prefix, struct problem *p)
{
    static _Thread_local struct schema_report report;
    int err = schema_check(s, value, prefix, (uint64_t)http_conf->schema_steps, &report);
    if (err == -ERR_INVALID_INPUT) {
        const struct schema_error *e = &report.error[0];
        problem_set(p, err, "`%s` %s%s", e->pointer[0] ? e->pointer : "the input", e->detail,
                    report.count > 1 ? ", and more" : "");
        p->report = &report;
        return err;
    }
    if (err == -ERR_TOO_COMPLEX)
        return problem_set(p, err, "more than %lld steps, the setting `schema_steps`",
                           (long long)http_conf->schema_steps);
    return err ? tell(err, p) : 0;
}

static int load_and_check(const struct schema *s, const char *text, size_t len, const char *prefix,
                          struct problem *p)
{
    AUTO_BUF why = BUF_INIT;
    json_t *value = NULL;
    int err = schema_load(text, len, &value, &why);
    if (err == -ERR_BAD_JSON)
        return problem_set(p, err, "the input: %s", why.data ? why.data : "refused");
    if (err)
        return tell(err, p);
    err = check(s, value, prefix, p);
    json_decref(value);
    return err;
}

bool input_is_checked(uint32_t task)
{
    const struct schema *s = http_conf->schema[task];
    return s && !schema_takes_all(s);
}

int input_check(uint32_t task, const char *text, size_t len, const char *prefix, struct problem *p)
{
    if (!input_is_checked(task))
        return 0;
    size_t cost = input_parse_cost(text, len);
    if (cost > http_conf->body_memory)
        return problem_set(p, ERR_TOO_LARGE,
                           "reading the input would take %zu bytes of memory; at most %llu", cost,
                           (unsigned long long)http_conf->body_memory);
    if (!request_charge(cost))
        return problem_set(p, ERR_OVERLOADED, "no memory for the input now");
    int err = load_and_check(http_conf->schema[task], text, len, prefix, p);
    request_discharge(cost);
    return err;
}
