/*
 * input.h - what the shipped tasks share: reading fields of a JSON input with clear refusals. Each task
 * is an object of its own, so these are static.
 */
#ifndef JOBMILL_BUILTIN_INPUT_H
#define JOBMILL_BUILTIN_INPUT_H

#include "jobmill_task.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A number field: name, where it goes, its default (NAN: required), its range, whether it is whole. */
struct number_field {
    const char *name;
    double *out;
    double def, least, greatest;
    bool whole;
};

static inline int input_bad(struct jobmill_call *call, const char *text)
{
    return jobmill_fail(call, "bad_input", text, 1);
}

/* The input as an object; null, which is a submission without one, is an empty object. NULL: it was
 * something else, and the call has failed. The caller json_decref()s it. */
static inline json_t *input_object(struct jobmill_call *call)
{
    json_error_t e;
    json_t *in =
        json_loadb(call->input, call->input_len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (json_is_object(in))
        return in;
    if (json_is_null(in))
        return json_object();
    char text[400];
    snprintf(text, sizeof(text), "the input must be a JSON object%s%s", in ? "" : ": ", in ? "" : e.text);
    json_decref(in);
    input_bad(call, text);
    return NULL;
}

static inline int input_number(struct jobmill_call *call, const json_t *in, const struct number_field *f)
{
    char text[400];
    const json_t *v = json_object_get(in, f->name);
    if (!v && !isnan(f->def)) {
        *f->out = f->def;
        return 0;
    }
    double d = json_is_number(v) ? json_number_value(v) : NAN;
    if (d >= f->least && d <= f->greatest && (!f->whole || d == floor(d))) {
        *f->out = d;
        return 0;
    }
    char *said = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    snprintf(text, sizeof(text), "%s must be a %snumber from %.15g to %.15g%s%.60s", f->name,
             f->whole ? "whole " : "", f->least, f->greatest, v ? ", not " : " and is missing",
             said ? said : "");
    free(said);
    return input_bad(call, text);
}

/* All number fields of an input that has no others. 0, or the call has failed. */
static inline int input_numbers(struct jobmill_call *call, const struct number_field *fields, size_t n)
{
    json_t *in = input_object(call);
    if (!in)
        return 1;
    int err = 0;
    for (size_t i = 0; i < n && !err; i++)
        err = input_number(call, in, &fields[i]);
    const char *key;
    json_t *value;
    json_object_foreach(in, key, value) {
        size_t i = 0;
        while (i < n && strcmp(fields[i].name, key) != 0)
            i++;
        if (i == n && !err) {
            char text[160];
            snprintf(text, sizeof(text), "%.100s: not a field of this task", key);
            err = input_bad(call, text);
        }
    }
    json_decref(in);
    return err;
}

#endif
