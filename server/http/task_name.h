/*
 * task_name.h - a task's name as a client wrote it -> its index, or an answer that helps.
 */
#ifndef JOBMILL_HTTP_TASK_NAME_H
#define JOBMILL_HTTP_TASK_NAME_H

#include "problem.h"

#include <stddef.h>
#include <stdint.h>

/* 0 and *index; -ERR_UNKNOWN_TASK with p naming what came, the nearest name, and those there are. */
int task_name_find(const char *text, size_t len, uint32_t *index, enum problem_place place,
                   struct problem *p);

#endif
