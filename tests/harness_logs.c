/* harness_logs.c - see harness_logs.h. */
#include "harness_logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void say(struct server *s, const char *who, int n, char id[40])
{
    char body[128];
    snprintf(body, sizeof(body), "{\"task\":\"say\",\"input\":{\"who\":\"%s\",\"n\":%d}}", who, n);
    snprintf(id, 40, "%s", submit(s, body));
}

char *logs_of(struct server *s, const char *id, const char *query)
{
    char path[512];
    snprintf(path, sizeof(path), "/v1/jobs/%s/logs%s", id, query);
    struct answer *a = get(s, path, 200);
    char *text = strdup(a->body);
    answer_free(a);
    return text;
}

char *next_line(char **rest)
{
    char *line = strsep(rest, "\n");
    ck_assert_ptr_nonnull(line);
    ck_assert_msg(strlen(line) > 25 && line[4] == '-' && line[10] == 'T' && line[23] == 'Z' &&
                      line[24] == ' ',
                  "`%s`", line);
    return line + 25;
}

size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}
