/*
 * heap.h - what the C library's heap keeps of what is freed.
 */
#ifndef JOBMILL_COMMON_HEAP_H
#define JOBMILL_COMMON_HEAP_H

/* Once, before the process has other threads; holds for what it forks, too. Never fails: without it all is the same, but
 * slower. */
void heap_setup(void);

#endif
