/*
 * heritage.h - everything that the fork server and its workers inherit from the front end.
 * All other descriptors are closed in them.
 */
#ifndef JOBMILL_COMMON_HERITAGE_H
#define JOBMILL_COMMON_HERITAGE_H

#include "board.h"
#include "taskdef.h"

struct heritage {
    struct board *board;
    int board_fd;
    int log_fd;     /* write end of the log pipe */
    int control_fd; /* SOCK_SEQPACKET to the front end's supervise.c */
    const struct taskdefs *defs;
    int parent_pid; /* the front end: a child that finds another parent at birth exits */
    int log_level;
};

#endif
