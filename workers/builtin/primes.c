/*
 * primes.c - the task `primes`: how many primes are below a limit.
 *
 * A segmented sieve of Eratosthenes over odd numbers: a segment of bits fits the first-level cache,
 * so memory stays at the square root of the limit (C. Bays and R. H. Hudson, BIT 17, 1977).
 */
#include "input.h"

#include <stdlib.h>

#define SEGMENT   (1u << 18) /* odd numbers in a segment: a bit each, 32 KiB */
#define LIMIT_MAX 1e11

struct sieve {
    uint32_t *prime; /* odd base primes up to the root */
    uint64_t *next;  /* the next odd multiple of each, as index (n - 1) / 2 */
    size_t count;
    uint64_t bits[SEGMENT / 64];
};

/* The odd primes up to root. 0: out of memory. */
static int base_primes(struct sieve *s, uint32_t root)
{
    size_t half = root / 2 + 1;
    unsigned char *composite = calloc(half, 1);
    s->prime = malloc((half + 1) * sizeof(*s->prime));
    s->next = malloc((half + 1) * sizeof(*s->next));
    if (!composite || !s->prime || !s->next) {
        free(composite);
        return 0;
    }
    for (uint64_t i = 1; i < half; i++) {
        uint64_t p = 2 * i + 1;
        if (p > root)
            break;
        if (composite[i])
            continue;
        s->prime[s->count] = (uint32_t)p;
        s->next[s->count++] = p * p / 2;
        for (uint64_t k = p * p / 2; k < half; k += p)
            composite[k] = 1;
    }
    free(composite);
    return 1;
}

/* Primes among the odd numbers 2i+1 for i in [from, to), to - from <= SEGMENT. */
static uint64_t count_segment(struct sieve *s, uint64_t from, uint64_t to)
{
    uint64_t n = to - from, primes = 0;
    memset(s->bits, 0, sizeof(s->bits));
    for (size_t i = 0; i < s->count && s->next[i] < to; i++) {
        uint64_t k = s->next[i] - from, step = s->prime[i];
        for (; k < n; k += step)
            s->bits[k / 64] |= UINT64_C(1) << k % 64;
        s->next[i] = from + k;
    }
    for (uint64_t w = 0; w < (n + 63) / 64; w++) {
        uint64_t word = ~s->bits[w];
        if (w == n / 64)
            word &= (UINT64_C(1) << n % 64) - 1;
        primes += (uint64_t)__builtin_popcountll(word);
    }
    return primes;
}

static int run(struct jobmill_call *call, void *state)
{
    (void)state;
    double limit = 0;
    const struct number_field field = {"limit", &limit, NAN, 0, LIMIT_MAX, true};
    if (input_numbers(call, &field, 1))
        return 1;
    uint64_t below = (uint64_t)limit, odds = below / 2, count = below > 2 ? 1 : 0; /* the 2 */
    struct sieve *s = calloc(1, sizeof(*s));
    if (!s || !base_primes(s, (uint32_t)sqrt(limit) + 1)) {
        if (s) {
            free(s->prime);
            free(s->next);
        }
        free(s);
        return jobmill_fail(call, "out_of_memory", "no memory for the sieve", 0);
    }
    int given_up = 0;
    for (uint64_t from = 1; from < odds && !given_up; from += SEGMENT) {
        count += count_segment(s, from, from + SEGMENT < odds ? from + SEGMENT : odds);
        jobmill_progress(call, (double)from / (double)odds, NULL);
        given_up = jobmill_cancelled(call);
    }
    free(s->prime);
    free(s->next);
    free(s);
    if (given_up)
        return jobmill_fail(call, "cancelled", "told to give up", 0);
    char text[64];
    int n = snprintf(text, sizeof(text), "{\"count\":%llu}", (unsigned long long)count);
    jobmill_progress(call, 1, NULL);
    return jobmill_result_json(call, text, (size_t)n);
}

JOBMILL_TASK(.description = "counts the primes below a limit", .run = run)
