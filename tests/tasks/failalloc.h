/* failalloc.h - what a test tells failalloc.c, in a file that both map. */
#ifndef JOBMILL_TESTS_FAILALLOC_H
#define JOBMILL_TESTS_FAILALLOC_H

#include <stdatomic.h>

struct failalloc {
    _Atomic int pid;      /* whose allocations */
    _Atomic long at;      /* the at-th from now on fails; 0: none, and nothing is counted */
    _Atomic long lasting; /* and so many in all */
    _Atomic long count, hits;
};

#endif
