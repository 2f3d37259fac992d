/*
 * gearman.c - gearmand under load: two worker processes that do nothing, one client.
 *
 *   gearman PORT IN_FLIGHT SECONDS
 *
 * Foreground jobs (the client gets the result), IN_FLIGHT of them added and run together, again and
 * again. Prints one line of JSON: jobs a second; the median of one round's microseconds, a job's
 * with IN_FLIGHT 1.
 */
#include <libgearman/gearman.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 2
#define SAMPLES 4000000

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void *nothing(gearman_job_st *job, void *context, size_t *size, gearman_return_t *ret)
{
    (void)job;
    (void)context;
    *size = 4;
    *ret = GEARMAN_SUCCESS;
    return strdup("null"); /* the library frees it */
}

static void work(in_port_t port)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    gearman_worker_st *w = gearman_worker_create(NULL);
    if (!w || gearman_worker_add_server(w, "127.0.0.1", port) != GEARMAN_SUCCESS ||
        gearman_worker_add_function(w, "noop", 0, nothing, NULL) != GEARMAN_SUCCESS)
        _exit(1);
    for (;;)
        gearman_worker_work(w);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    char payload[200];
    pid_t worker[WORKERS];
    if (argc != 4)
        return 64;
    in_port_t port = (in_port_t)atoi(argv[1]);
    int in_flight = atoi(argv[2]);
    double seconds = atof(argv[3]);
    memset(payload, 'x', sizeof(payload));
    for (int i = 0; i < WORKERS; i++) {
        worker[i] = fork();
        if (worker[i] == 0)
            work(port);
    }
    gearman_client_st *c = gearman_client_create(NULL);
    double *sample = malloc(SAMPLES * sizeof(*sample));
    if (!c || !sample || gearman_client_add_server(c, "127.0.0.1", port) != GEARMAN_SUCCESS)
        return 1;
    gearman_client_set_options(c, GEARMAN_CLIENT_FREE_TASKS);
    size_t rounds = 0;
    double begin = 0, end = 0;
    for (double t = 0; begin == 0 || (t = now_us()) < begin + seconds * 1e6;) {
        double from = now_us();
        for (int i = 0; i < in_flight; i++) {
            gearman_return_t ret;
            if (!gearman_client_add_task(c, NULL, NULL, "noop", NULL, payload, sizeof(payload),
                                         &ret))
                return 1;
        }
        if (gearman_client_run_tasks(c) != GEARMAN_SUCCESS) {
            fprintf(stderr, "gearman: %s\n", gearman_client_error(c));
            return 1;
        }
        end = now_us();
        if (begin == 0)
            begin = end; /* the first round waited for the workers */
        else if (rounds < SAMPLES)
            sample[rounds++] = end - from;
    }
    qsort(sample, rounds, sizeof(*sample), by_value);
    printf("{\"rate\":%.1f,\"p50_us\":%.1f}\n", (double)rounds * in_flight / (end - begin) * 1e6,
           rounds ? sample[rounds / 2] : 0);
    for (int i = 0; i < WORKERS; i++) {
        kill(worker[i], SIGKILL);
        waitpid(worker[i], NULL, 0);
    }
    return 0;
}
