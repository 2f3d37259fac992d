/*
 * replay.c - runs a fuzz target once over each file of tests/fuzz/corpus/NAME, where NAME is the
 * program's own: what fuzzing found stays tested in `make check`, with any compiler and sanitizer.
 * Says which input it was when one ends the process.
 */
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));

static char path[PATH_MAX];

static void tell(void)
{
    static const char words[] = " was the input\n";
    (void)!write(STDERR_FILENO, path, strlen(path));
    (void)!write(STDERR_FILENO, words, sizeof(words) - 1);
}

static void on_signal(int sig)
{
    tell();
    raise(sig); /* the handler is gone: SA_RESETHAND */
}

static void watch(void)
{
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    sigaction(SIGABRT, &act, NULL);
    if (__sanitizer_set_death_callback) /* has handlers of its own for the others */
        __sanitizer_set_death_callback(tell);
    else if (sigaction(SIGSEGV, &act, NULL) || sigaction(SIGBUS, &act, NULL))
        perror("sigaction");
}

/* Exactly as long as the file: a sanitizer sees a byte too far. */
static void replay(void)
{
    FILE *f = fopen(path, "rbe");
    long len = -1;
    if (f && fseek(f, 0, SEEK_END) == 0)
        len = ftell(f);
    uint8_t *data = len >= 0 ? malloc(len ? (size_t)len : 1) : NULL;
    if (!data || fseek(f, 0, SEEK_SET) || fread(data, 1, (size_t)len, f) != (size_t)len) {
        perror(path);
        exit(2);
    }
    fclose(f);
    (void)LLVMFuzzerTestOneInput(data, (size_t)len);
    free(data);
}

static int is_plain(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **file;
    char dir[PATH_MAX / 2];
    const char *name = argc ? strrchr(argv[0], '/') : NULL;
    snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", name ? name + 1 : argv[0]);
    int n = scandir(dir, &file, is_plain, alphasort);
    if (n <= 0) {
        fprintf(stderr, "%s: no inputs\n", dir);
        return 2;
    }
    watch();
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%.255s", dir, file[i]->d_name);
        replay();
        free(file[i]);
    }
    free(file);
    printf("%d inputs\n", n);
    return 0;
}
