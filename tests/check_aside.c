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
        aside_post(&mine[i].node, i % 3 ? ASIDE_READS : ASIDE_CHANGES);
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
        aside_post(&items[0][9 - i].node, ASIDE_READS);
    aside_stop();
    ck_assert_int_eq(ordered, 10);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(order[i], 9 - i);
}
END_TEST

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void note_behind_gate(struct inbox_node *n)
{
    pthread_mutex_lock(&gate);
    note(n);
    pthread_mutex_unlock(&gate);
}

/* Five that read, then three that change something: these are not behind all of those. */
START_TEST(the_lines_take_turns)
{
    static const int turns[] = {0, 5, 1, 6, 2, 7, 3, 4};
    pthread_mutex_lock(&gate);
    ck_assert_int_eq(aside_start(1, note_behind_gate), 0);
    for (int i = 0; i < 8; i++)
        aside_post(&items[0][i].node, i < 5 ? ASIDE_READS : ASIDE_CHANGES);
    pthread_mutex_unlock(&gate);
    aside_stop();
    ck_assert_int_eq(ordered, 8);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(order[i], turns[i]);
}
END_TEST

START_TEST(it_ends_and_begins_again)
{
    aside_stop();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(aside_start(2, run), 0);
        aside_post(&items[0][i].node, ASIDE_CHANGES);
        aside_stop();
        aside_stop();
    }
    ck_assert_int_eq(atomic_load(&all), 3);
}
END_TEST

int main(void)
{
    return SUITE("aside", NULL, NULL, each_is_done_once, in_the_order_of_their_coming,
                 the_lines_take_turns, it_ends_and_begins_again);
}
