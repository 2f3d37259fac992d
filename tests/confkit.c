/*
 * confkit.c - see confkit.h.
 */
#include "confkit.h"

#include "../common/err.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct conf c;
struct buf why;
char dir[] = "/tmp/check_conf.XXXXXX";
char file[64];

void kit_setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/jobmill.ini", dir);
    unsetenv("JOBMILL_CONFIG");
}

void kit_teardown(void)
{
    conf_release(&c);
    buf_release(&why);
    unlink(file);
    rmdir(dir);
}

void write_file(const char *text, size_t len)
{
    FILE *f = fopen(file, "we");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

int load(char *const flags[])
{
    char *argv[16] = {(char *)(uintptr_t) "serve"};
    int argc = 1;
    for (; flags && flags[argc - 1] && argc < 15; argc++)
        argv[argc] = flags[argc - 1];
    conf_release(&c);
    buf_clear(&why);
    return conf_load(&c, argc, argv, &why);
}

int load_text(const char *text)
{
    write_file(text, strlen(text));
    return load(FLAGS(W("--config"), file));
}

void ck_loads(const char *text)
{
    int err = load_text(text);
    ck_assert_msg(err == 0, "%s: %s", text, why.data ? why.data : "");
}

void ck_says(int err, const char *words)
{
    ck_assert_int_eq(err, -ERR_CONFIG);
    ck_assert_msg(why.data && strstr(why.data, words), "'%s' lacks '%s'", why.data, words);
    ck_assert_ptr_null(strchr(why.data, '\n'));
    ck_assert_ptr_null(c.listen); /* nothing is left to release */
}

const struct taskdef *task(const char *name)
{
    int at = taskdefs_find(&c.defs, name);
    ck_assert_msg(at >= 0, "no task %s", name);
    return &c.defs.task[at];
}
