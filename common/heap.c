/*
 * heap.c - see heap.h.
 *
 * By itself the C library gives memory back to the system as soon as 128 KiB lie free at the end of
 * a heap, and has it anew for the next large body: each page of that is a fault, and cleared. So
 * some is kept, of each heap; there are as many as threads that work at once. Larger pieces are
 * had from the system one by one, and given back when they are freed, so that none lies fallow
 * between others. The jobs of a batch of 1,000 are a piece of more than 1 MiB.
 */
#include "heap.h"

#include <malloc.h>

#define KEEP_BYTES  (8 * 1024 * 1024)
#define LARGE_BYTES (4 * 1024 * 1024)

void heap_setup(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}
