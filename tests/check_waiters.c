/* check_waiters.c - who waits for which job: exactly one of wake and remove gets a waiter. */
#include "../server/waiters.h"

#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>

#define MANY   5000 /* more than the first table's buckets */
#define ROUNDS 20000

struct client {
    struct waiter waiter;
    _Atomic int woken;
};

static void on_wake(struct waiter *w)
{
    atomic_fetch_add(&((struct client *)w)->woken, 1);
}

static struct client many[MANY];

static void setup(void)
{
    ck_assert_int_eq(waiters_init(), 0);
}

static void wait_for(struct client *c, uint64_t job)
{
    id_make(&c->waiter.job, job, job * 7);
    c->waiter.link = NULL;
    c->waiter.wake = on_wake;
    atomic_store(&c->woken, 0);
    waiters_add(&c->waiter);
}

static void end_job(uint64_t job)
{
    struct id id;
    id_make(&id, job, job * 7);
    waiters_job_ended(&id, NULL);
}

START_TEST(all_of_a_job_are_woken)
{
    struct client a, b, c;
    wait_for(&a, 1);
    wait_for(&b, 1);
    wait_for(&c, 2);
    ck_assert_uint_eq(waiters_count(), 3);
    end_job(3);
    ck_assert_uint_eq(waiters_count(), 3);
    end_job(1);
    ck_assert_int_eq(a.woken, 1);
    ck_assert_int_eq(b.woken, 1);
    ck_assert_int_eq(c.woken, 0);
    ck_assert_uint_eq(waiters_count(), 1);
    ck_assert(!waiters_remove(&a.waiter));
    ck_assert(waiters_remove(&c.waiter));
    ck_assert(!waiters_remove(&c.waiter));
    ck_assert_uint_eq(waiters_count(), 0);
    end_job(2);
    ck_assert_int_eq(c.woken, 0);
}
END_TEST

START_TEST(jobs_of_one_bucket_are_kept_apart)
{
    struct client a, b;
    wait_for(&a, 1);
    wait_for(&b, 2);
    b.waiter.job = a.waiter.job; /* the same tail, so the same bucket, and another key */
    waiters_remove(&b.waiter);
    id_make(&b.waiter.job, 99, id_tail(&a.waiter.job));
    waiters_add(&b.waiter);
    end_job(1);
    ck_assert_int_eq(a.woken, 1);
    ck_assert_int_eq(b.woken, 0);
    waiters_job_ended(&b.waiter.job, NULL);
    ck_assert_int_eq(b.woken, 1);
}
END_TEST

START_TEST(grows)
{
    for (uint64_t i = 0; i < MANY; i++)
        wait_for(&many[i], i / 2);
    ck_assert_uint_eq(waiters_count(), MANY);
    for (uint64_t i = 0; i < MANY; i += 3)
        ck_assert(waiters_remove(&many[i].waiter));
    for (uint64_t i = 0; i < MANY / 2; i++)
        end_job(i);
    ck_assert_uint_eq(waiters_count(), 0);
    for (uint64_t i = 0; i < MANY; i++)
        ck_assert_int_eq(many[i].woken, i % 3 != 0);
}
END_TEST

START_TEST(the_end_wakes_all)
{
    for (uint64_t i = 0; i < MANY; i++)
        wait_for(&many[i], i);
    waiters_wake_all();
    ck_assert_uint_eq(waiters_count(), 0);
    for (uint64_t i = 0; i < MANY; i++)
        ck_assert_int_eq(many[i].woken, 1);
    waiters_wake_all();
    waiters_release();
    ck_assert_int_eq(waiters_init(), 0);
}
END_TEST

static void free_it(struct waiter *w)
{
    free(w);
}

START_TEST(wake_may_free)
{
    for (int i = 0; i < 10; i++) {
        struct waiter *w = calloc(1, sizeof(*w));
        ck_assert_ptr_nonnull(w);
        w->wake = free_it;
        waiters_add(w);
    }
    waiters_job_ended(&(struct id){0}, NULL);
    ck_assert_uint_eq(waiters_count(), 0);
}
END_TEST

static pthread_barrier_t gate;

static void *end_all(void *arg)
{
    (void)arg;
    for (uint64_t job = 0; job < ROUNDS; job++) {
        pthread_barrier_wait(&gate);
        end_job(job);
        pthread_barrier_wait(&gate);
    }
    return NULL;
}

START_TEST(either_woken_or_removed)
{
    pthread_t t;
    struct client c;
    ck_assert_int_eq(pthread_barrier_init(&gate, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&t, NULL, end_all, NULL), 0);
    for (uint64_t job = 0; job < ROUNDS; job++) {
        wait_for(&c, job);
        pthread_barrier_wait(&gate);
        int removed = waiters_remove(&c.waiter);
        pthread_barrier_wait(&gate);
        ck_assert_int_eq(removed + atomic_load(&c.woken), 1);
    }
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    pthread_barrier_destroy(&gate);
}
END_TEST

int main(void)
{
    return SUITE("waiters", setup, waiters_release, all_of_a_job_are_woken,
                 jobs_of_one_bucket_are_kept_apart, grows, the_end_wakes_all, wake_may_free,
                 either_woken_or_removed);
}
