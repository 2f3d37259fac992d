/*
 * unique.h - what may be there only once, as a submission says it and as the store keeps it.
 */
#ifndef JOBMILL_SERVER_UNIQUE_H
#define JOBMILL_SERVER_UNIQUE_H

#include <stdbool.h>
#include <stdint.h>

struct store_unique {
    uint8_t hash[32]; /* SHA-256 of the task and of what makes two jobs the same */
    int64_t until_us; /* > 0: until then; 0: while its job has not ended */
    bool queued_only; /* with until_us == 0: only until it begins to run */
};

#endif
