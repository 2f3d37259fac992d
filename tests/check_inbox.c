/* check_inbox.c - the queue between threads: order, limit, closing, sleeping without a lost
 * wake-up. */
#include "../server/inbox.h"

#include "../common/clock.h"
#include "../common/err.h"
#include "suite.h"

#include <poll.h>

#define PRODUCERS 4
#define EACH      20000

struct letter {
    struct inbox_node node;
    int from;
    int number;
};

static struct inbox in;

static void setup(void)
{
    ck_assert_int_eq(inbox_init(&in, 3), 0);
}

static void teardown(void)
{
    inbox_release(&in);
    inbox_release(&in);
}

static bool readable(void)
{
    struct pollfd p = {.fd = in.event_fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

START_TEST(keeps_order)
{
    struct letter l[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    ck_assert_ptr_null(inbox_take(&in, 0));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(inbox_post(&in, &l[i].node), 0);
    ck_assert_uint_eq(inbox_count(&in), 3);
    struct inbox_node *n = inbox_take(&in, 0);
    for (int i = 0; i < 3; i++, n = n->next)
        ck_assert_int_eq(INBOX_OWNER(n, struct letter, node)->number, i);
    ck_assert_ptr_null(n);
    ck_assert_uint_eq(inbox_count(&in), 0);
}
END_TEST

START_TEST(takes_some)
{
    struct letter l[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(inbox_post(&in, &l[i].node), 0);
    struct inbox_node *n = inbox_take(&in, 2);
    ck_assert_ptr_eq(n, &l[0].node);
    ck_assert_ptr_eq(n->next, &l[1].node);
    ck_assert_ptr_null(n->next->next);
    ck_assert_int_eq(inbox_post(&in, &l[0].node), 0); /* behind the one that waits */
    n = inbox_take(&in, 100);
    ck_assert_ptr_eq(n, &l[2].node);
    ck_assert_ptr_eq(n->next, &l[0].node);
    ck_assert_ptr_null(inbox_take(&in, 1));
}
END_TEST

START_TEST(a_list_comes_as_a_whole)
{
    struct letter l[5];
    ck_assert_int_eq(inbox_post_list(&in, NULL), 0);
    ck_assert_int_eq(inbox_post(&in, &l[0].node), 0);
    for (int i = 1; i < 4; i++)
        l[i].node.next = i < 3 ? &l[i + 1].node : NULL;
    ck_assert_int_eq(inbox_post_list(&in, &l[1].node), 0); /* without regard to the limit */
    ck_assert_uint_eq(inbox_count(&in), 4);
    ck_assert_int_eq(inbox_post_always(&in, &l[4].node), 0); /* behind its last */
    struct inbox_node *n = inbox_take(&in, 0);
    for (int i = 0; i < 5; i++, n = n->next)
        ck_assert_ptr_eq(n, &l[i].node);
    ck_assert_ptr_null(n);
    ck_assert(inbox_sleep(&in));
    l[0].node.next = &l[1].node;
    l[1].node.next = NULL;
    ck_assert_int_eq(inbox_post_list(&in, &l[0].node), 0);
    ck_assert(readable());
    inbox_drain_event(&in);
    ck_assert_ptr_eq(inbox_take(&in, 0), &l[0].node);
    inbox_close(&in);
    ck_assert_int_eq(inbox_post_list(&in, &l[0].node), -ERR_CLOSED);
    ck_assert_ptr_eq(l[0].node.next, &l[1].node); /* the poster's as it was */
}
END_TEST

START_TEST(a_full_one_refuses)
{
    struct letter l[5];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(inbox_post(&in, &l[i].node), 0);
    ck_assert_int_eq(inbox_post(&in, &l[3].node), -ERR_OVERLOADED);
    ck_assert_int_eq(inbox_post_always(&in, &l[3].node), 0);
    ck_assert_uint_eq(inbox_count(&in), 4);
    ck_assert_ptr_nonnull(inbox_take(&in, 2));
    ck_assert_int_eq(inbox_post(&in, &l[4].node), 0);
    ck_assert_int_eq(inbox_post(&in, &l[0].node), -ERR_OVERLOADED);
}
END_TEST

START_TEST(a_closed_one_is_emptied)
{
    struct letter l[3];
    ck_assert_int_eq(inbox_post(&in, &l[0].node), 0);
    inbox_close(&in);
    ck_assert_int_eq(inbox_post(&in, &l[1].node), -ERR_CLOSED);
    ck_assert_int_eq(inbox_post_always(&in, &l[1].node), -ERR_CLOSED);
    ck_assert_ptr_eq(inbox_take(&in, 0), &l[0].node);
    ck_assert_ptr_null(inbox_take(&in, 0));
}
END_TEST

START_TEST(rings_only_for_a_sleeper)
{
    struct letter l[3];
    ck_assert_int_eq(inbox_post(&in, &l[0].node), 0);
    ck_assert(!readable()); /* awake: no system call */
    ck_assert(!inbox_sleep(&in));
    ck_assert_ptr_nonnull(inbox_take(&in, 0));
    ck_assert(inbox_sleep(&in));
    ck_assert_int_eq(inbox_post(&in, &l[1].node), 0);
    ck_assert(readable());
    inbox_wait(&in, 10000);
    ck_assert(!readable());
    ck_assert_int_eq(inbox_post(&in, &l[2].node), 0);
    ck_assert(!readable()); /* rung once for each sleep */
}
END_TEST

START_TEST(a_patient_sleeper_is_woken_for_the_rest)
{
    struct letter l[3];
    ck_assert_int_eq(inbox_post_patient(&in, NULL), 0);
    ck_assert(inbox_sleep_patiently(&in));
    l[0].node.next = NULL;
    ck_assert_int_eq(inbox_post_patient(&in, &l[0].node), 0);
    ck_assert(!readable());
    ck_assert_int_eq(inbox_post(&in, &l[1].node), 0);
    ck_assert(readable());
    inbox_drain_event(&in);
    ck_assert(!inbox_sleep_patiently(&in)); /* not over what waits */
    ck_assert_ptr_eq(inbox_take(&in, 0), &l[0].node);

    ck_assert(inbox_sleep_patiently(&in));
    inbox_wake(&in);
    ck_assert(readable());
    inbox_drain_event(&in);
    ck_assert(!inbox_sleep(&in));

    ck_assert(inbox_sleep(&in)); /* no more: each sleep is of its own kind */
    l[2].node.next = NULL;
    ck_assert_int_eq(inbox_post_patient(&in, &l[2].node), 0);
    ck_assert(readable());
    inbox_drain_event(&in);
}
END_TEST

START_TEST(a_wake_is_not_lost)
{
    inbox_wake(&in); /* while awake: the next sleep is refused, once */
    ck_assert(!readable());
    ck_assert(!inbox_sleep(&in));
    ck_assert(inbox_sleep(&in));
    inbox_wake(&in);
    ck_assert(readable());
    inbox_wait(&in, 10000);
    ck_assert(!inbox_sleep(&in));
    ck_assert(inbox_sleep(&in));
    inbox_wait(&in, 0); /* nothing came: returns all the same */
    inbox_drain_event(&in);
}
END_TEST

static struct letter letters[PRODUCERS][EACH];

static void *produce(void *arg)
{
    struct letter *mine = arg;
    for (int i = 0; i < EACH; i++) {
        mine[i].number = i;
        if (inbox_post_always(&in, &mine[i].node) != 0)
            return arg;
    }
    return NULL;
}

START_TEST(many_producers)
{
    pthread_t t[PRODUCERS];
    int next[PRODUCERS] = {0}, total = 0;
    for (int i = 0; i < PRODUCERS; i++) {
        for (int k = 0; k < EACH; k++)
            letters[i][k].from = i;
        ck_assert_int_eq(pthread_create(&t[i], NULL, produce, letters[i]), 0);
    }
    int64_t until = clock_mono_us() + 30 * US_PER_S;
    while (total < PRODUCERS * EACH && clock_mono_us() < until) {
        struct inbox_node *n = inbox_take(&in, (size_t)(total % 7));
        if (!n && inbox_sleep(&in))
            inbox_wait(&in, 30000); /* a lost wake-up would stay here */
        for (struct inbox_node *after; n; n = after, total++) {
            struct letter *l = INBOX_OWNER(n, struct letter, node);
            after = n->next;
            ck_assert_int_eq(l->number, next[l->from]++);
        }
    }
    ck_assert_int_eq(total, PRODUCERS * EACH);
    for (int i = 0; i < PRODUCERS; i++) {
        void *failed;
        pthread_join(t[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_int_lt(clock_mono_us(), until);
}
END_TEST

int main(void)
{
    return SUITE("inbox", setup, teardown, keeps_order, takes_some, a_list_comes_as_a_whole,
                 a_full_one_refuses, a_closed_one_is_emptied, rings_only_for_a_sleeper,
                 a_patient_sleeper_is_woken_for_the_rest, a_wake_is_not_lost, many_producers);
}
