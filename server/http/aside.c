/*
 * aside.c - see aside.h. These threads are a little nicer than the others: where processors are
 * short, a page comes later rather than a job.
 */
#include "aside.h"

#include "../../common/err.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICE 5

static struct {
    pthread_mutex_t lock; /* guards line, turn and ending */
    pthread_cond_t more;
    struct line {
        struct inbox_node *first, **last;
    } line[ASIDE_LINES];
    unsigned turn; /* the line that is looked at first */
    bool ending;
    void (*run)(struct inbox_node *n);
    pthread_t *thread;
    size_t count;
} a = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

/* The lock is held. NULL: nothing waits. */
static struct inbox_node *first_of(struct line *l)
{
    struct inbox_node *n = l->first;
    if (!n)
        return NULL;
    l->first = n->next;
    if (!l->first)
        l->last = &l->first;
    return n;
}

static struct inbox_node *next(void)
{
    struct inbox_node *n = NULL;
    for (unsigned i = 0; i < ASIDE_LINES && !n; i++) {
        unsigned line = (a.turn + i) % ASIDE_LINES;
        n = first_of(&a.line[line]);
        if (n)
            a.turn = line + 1;
    }
    return n;
}

/* NULL: the thread is to end. */
static struct inbox_node *take(void)
{
    struct inbox_node *n;
    pthread_mutex_lock(&a.lock);
    while (!(n = next()) && !a.ending)
        pthread_cond_wait(&a.more, &a.lock);
    pthread_mutex_unlock(&a.lock);
    return n;
}

static void *aside_main(void *arg)
{
    (void)arg;
    prctl(PR_SET_NAME, "aside");
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread alone; may be left */
    for (struct inbox_node *n; (n = take());)
        a.run(n);
    return NULL;
}

int aside_start(size_t threads, void (*run)(struct inbox_node *n))
{
    for (size_t i = 0; i < ASIDE_LINES; i++)
        a.line[i] = (struct line){.last = &a.line[i].first};
    a.turn = 0;
    a.ending = false;
    a.run = run;
    a.count = 0;
    a.thread = calloc(threads, sizeof(*a.thread));
    if (!a.thread)
        return -ERR_NOMEM;
    for (; a.count < threads; a.count++) {
        errno = pthread_create(&a.thread[a.count], NULL, aside_main, NULL);
        if (errno) {
            int saved = errno;
            aside_stop();
            errno = saved;
            return -ERR_SYSTEM;
        }
    }
    return 0;
}

void aside_post(struct inbox_node *n, enum aside_line line)
{
    struct line *l = &a.line[line];
    n->next = NULL;
    pthread_mutex_lock(&a.lock);
    *l->last = n;
    l->last = &n->next;
    pthread_mutex_unlock(&a.lock);
    pthread_cond_signal(&a.more);
}

void aside_stop(void)
{
    pthread_mutex_lock(&a.lock);
    a.ending = true;
    pthread_cond_broadcast(&a.more);
    pthread_mutex_unlock(&a.lock);
    for (size_t i = 0; i < a.count; i++)
        pthread_join(a.thread[i], NULL);
    free(a.thread);
    a.thread = NULL;
    a.count = 0;
}
