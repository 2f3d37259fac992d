/* check_aside.c - threads beside the HTTP threads: each node is done once, and those that wait are
 * done before the end. */
#include "../server/http/aside.h"

#include "suite.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS   3
#define PRODUCERS 4
#define EACH      5000

struct item {
    struct inbox_node node;
    atomic_int done;
};

static struct item items[PRODUCERS][EACH];
static atomic_int all;

static void run(struct inbox_node *n)
{
    atomic_fetch_add(&INBOX_OWNER(n, struct item, node)->done, 1);
    atomic_fetch_add(&all, 1);
}

static void *produce(void *arg)
{
    struct item *mine = arg;
    for (int i = 0; i < EACH; i++)
        aside_post(&mine[i].node);
    return NULL;
}

START_TEST(each_is_done_once)
{
    pthread_t thread[PRODUCERS];
    ck_assert_int_eq(aside_start(THREADS, run), 0);
    for (int i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, produce, items[i]), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(thread[i], NULL);
    aside_stop();
    ck_assert_int_eq(atomic_load(&all), PRODUCERS * EACH);
    for (int i = 0; i < PRODUCERS * EACH; i++)
        ck_assert_int_eq(atomic_load(&items[i / EACH][i % EACH].done), 1);
}
END_TEST

static int order[10], ordered;

static void note(struct inbox_node *n)
{
    order[ordered++] = (int)(INBOX_OWNER(n, struct item, node) - items[0]);
}

START_TEST(in_the_order_of_their_coming)
{
    ck_assert_int_eq(aside_start(1, note), 0);
    for (int i = 0; i < 10; i++)
        aside_post(&items[0][9 - i].node);
    aside_stop();
    ck_assert_int_eq(ordered, 10);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(order[i], 9 - i);
}
END_TEST

START_TEST(it_ends_and_begins_again)
{
    aside_stop();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(aside_start(2, run), 0);
        aside_post(&items[0][i].node);
        aside_stop();
        aside_stop();
    }
    ck_assert_int_eq(atomic_load(&all), 3);
}
END_TEST

int main(void)
{
    return SUITE("aside", NULL, NULL, each_is_done_once, in_the_order_of_their_coming,
                 it_ends_and_begins_again);
}
