/*
 * tokens.c - does the time of a refusal tell how much of a guessed token is right?
 *
 *   tokens [TRIES]    a million
 *
 * Guesses of four kinds, in random order, to the function that the service asks of every request:
 * wholly wrong; the first half right; all but the last character right; such whose digest begins as
 * the right token's. The times of the last three are held against those of the first by Welch's
 * test, without the slowest tenth of all, which are the machine's. Beyond 4.5 two means are not the
 * same, and the program fails. So that it can be seen to find what it looks for, the same is done
 * for a comparison that ends at the first difference: there it must find one.
 */
#include "../server/http/auth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KINDS     4
#define GUESSES   64 /* of a kind */
#define TOKEN_LEN 67 /* jm_ and 64 digits, as `jobmill token` makes them */
#define SEPARABLE 4.5

static const char *const kinds[KINDS] = {"wholly wrong", "first half right",
                                         "all but the last character right", "digest begins right"};
static const char digits[] = "0123456789abcdef";

struct times {
    uint32_t *ns;
    size_t count;
};

static char right[TOKEN_LEN + 1];
static char guess[KINDS][GUESSES][TOKEN_LEN + 1];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "tokens: %s\n", what);
    exit(2);
}

static uint64_t random_number(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void add_digits(char *out, size_t from)
{
    for (size_t i = from; i < TOKEN_LEN; i++)
        out[i] = digits[random_number() >> 60];
}

/* The first `keep` characters are those of the right token, the next one is not. */
static void make_guess(char *out, size_t keep)
{
    memcpy(out, right, keep);
    add_digits(out, keep);
    while (keep < TOKEN_LEN && out[keep] == right[keep])
        out[keep] = digits[random_number() >> 60];
}

static void make_guesses(void)
{
    uint8_t want[32], got[32];
    memcpy(right, "jm_", 3);
    add_digits(right, 3);
    token_digest(right, TOKEN_LEN, want);
    for (size_t i = 0; i < GUESSES; i++) {
        make_guess(guess[0][i], 3);
        make_guess(guess[1][i], TOKEN_LEN / 2);
        make_guess(guess[2][i], TOKEN_LEN - 1);
        do {
            make_guess(guess[3][i], 3);
            token_digest(guess[3][i], TOKEN_LEN, got);
        } while (memcmp(want, got, 2) != 0);
    }
}

static void use_right_token(void)
{
    uint8_t digest[32];
    char hash[7 + 64 + 1] = "sha256:";
    struct tokens *all = NULL;
    struct buf why = BUF_INIT;
    token_digest(right, TOKEN_LEN, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hash + 7 + 2 * i, 3, "%02x", digest[i]);
    if (tokens_set(&all, "it", NULL, NULL, &why) != 0 ||
        tokens_set(&all, "it", "hash", hash, &why) != 0 ||
        tokens_set(&all, "it", "scopes", "read", &why) != 0 || auth_use(all) != 0)
        fail("the token is not taken");
    buf_release(&why);
}

static bool ask_service(const char *header)
{
    struct caller c;
    struct problem p = {0};
    int err = auth_enter(&c, header, SCOPE_READ, &p);
    auth_leave(&c);
    return err == 0;
}

/* What a service must not do. */
static bool ask_careless(const char *header)
{
    const volatile char *a = header + 7, *b = right;
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void measure(bool (*ask)(const char *header), struct times *t, size_t tries)
{
    char header[7 + TOKEN_LEN + 1] = "Bearer "; /* the same place for all */
    for (size_t k = 0; k < KINDS; k++)
        t[k].count = 0;
    for (size_t i = 0; i < tries; i++) {
        uint64_t r = random_number();
        size_t k = (r >> 40) % KINDS;
        memcpy(header + 7, guess[k][(r >> 20) % GUESSES], TOKEN_LEN + 1);
        int64_t from = now_ns();
        if (ask(header))
            fail("a guess was taken");
        int64_t ns = now_ns() - from;
        t[k].ns[t[k].count++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
    }
}

static int by_size(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Nine tenths of all took less. */
static uint32_t usual(const struct times *t, size_t tries)
{
    uint32_t *all = malloc(tries * sizeof(*all));
    size_t n = 0;
    if (!all)
        fail("no memory");
    for (size_t k = 0; k < KINDS; k++) {
        memcpy(all + n, t[k].ns, t[k].count * sizeof(*all));
        n += t[k].count;
    }
    qsort(all, n, sizeof(*all), by_size);
    uint32_t at = all[n / 10 * 9];
    free(all);
    return at;
}

static void moments(const struct times *t, uint32_t below, double *mean, double *error2)
{
    double sum = 0, squares = 0, n = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->ns[i] <= below) {
            sum += t->ns[i];
            squares += (double)t->ns[i] * t->ns[i];
            n++;
        }
    }
    *mean = sum / n;
    *error2 = (squares / n - *mean * *mean) / n;
}

/* The largest of the three tests. */
static double report(const char *name, const struct times *t, size_t tries)
{
    uint32_t below = usual(t, tries);
    double mean0, error0, most = 0;
    moments(&t[0], below, &mean0, &error0);
    printf("%s: %s %.2f ns\n", name, kinds[0], mean0);
    for (size_t k = 1; k < KINDS; k++) {
        double mean, error;
        moments(&t[k], below, &mean, &error);
        double welch = (mean - mean0) / sqrt(error + error0);
        printf("    %s %.2f ns, t = %.2f\n", kinds[k], mean, welch);
        most = fmax(most, fabs(welch));
    }
    return most;
}

int main(int argc, char **argv)
{
    size_t tries = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    struct times t[KINDS];
    if (tries < 1000)
        fail("at least 1000 tries");
    for (size_t k = 0; k < KINDS; k++) {
        t[k].ns = malloc(tries * sizeof(*t[k].ns));
        if (!t[k].ns)
            fail("no memory");
    }
    make_guesses();
    use_right_token();
    measure(ask_careless, t, tries);
    double careless = report("a comparison that ends at the first difference", t, tries);
    measure(ask_service, t, tries);
    double service = report("the service", t, tries);
    auth_end();
    for (size_t k = 0; k < KINDS; k++)
        free(t[k].ns);
    if (careless < SEPARABLE)
        fail("the machine is too uneven to tell anything");
    printf("%zu tries: %s\n", tries, service < SEPARABLE ? "not separable" : "SEPARABLE");
    return service < SEPARABLE ? 0 : 1;
}
