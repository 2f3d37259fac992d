/*
 * usage.h - what the workers and all processes below them take now: processor time and memory, as the
 * kernel tells it in /proc. Any thread; read anew at most once a second, when somebody asks.
 */
#ifndef JOBMILL_SERVER_USAGE_H
#define JOBMILL_SERVER_USAGE_H

#include "../common/board.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
    int32_t pid;        /* the worker's; 0: it could not be read */
    uint32_t processes; /* the worker itself and those below it */
    int64_t cpu_us;     /* theirs, and of those that have ended and were waited for */
    int64_t rss_bytes;  /* resident; pages that they share are counted for each */
};

/* Fills out[slots] of the board. Waits for nobody: while another thread reads, it gives what was known, which is
 * nothing (zeros) before the first time. */
void usage_read(const struct board *board, struct usage *out);

/* The process ids of a list of the kernel's, which ends each with a blank; at most `most`. One that the end of the text
 * cuts off would be a stranger's: it is left out. How many there are. For usage_read, and its test. */
size_t usage_children(const char *text, pid_t *out, size_t most);

#endif
