/*
 * input_check.h - whether a submission's input fits its task's schema. HTTP threads.
 */
#ifndef JOBMILL_HTTP_INPUT_CHECK_H
#define JOBMILL_HTTP_INPUT_CHECK_H

#include "problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory that reading a JSON text takes, about: for request_charge(). */
size_t input_parse_cost(const char *text, size_t len);

bool input_is_checked(uint32_t task); /* has it a schema that refuses anything? */
/* The text has passed jsonscan(). `prefix`: the pointer to the input in the body, "" where it is the
 * body. 0, or a negative enum err with p filled; p's list of errors is valid until the thread's next
 * check. */
int input_check(uint32_t task, const char *text, size_t len, const char *prefix, struct problem *p);

#endif
