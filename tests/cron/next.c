/*
 * next.c - for oracle.py: reads lines "EXPRESSION<tab>ZONE<tab>SECONDS<tab>COUNT", and for each prints the next
 * COUNT moments after SECONDS, or "refused: …".
 */
#include "../../server/cron.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void answer(const char *expr, const char *name, int64_t after_s, int count)
{
    struct cron c;
    struct zone *z = NULL;
    struct buf why = BUF_INIT;
    if (cron_parse(expr, strlen(expr), &c, &why) != 0 || zone_open(name, &z, &why) != 0)
        printf("refused: %s", why.data);
    int64_t t = after_s * 1000000;
    for (int i = 0; z && i < count && cron_next(&c, z, t, &t) == 0; i++)
        printf("%s%lld", i ? " " : "", (long long)(t / 1000000));
    putchar('\n');
    zone_free(z);
    buf_release(&why);
}

int main(void)
{
    char line[1024];
    while (fgets(line, sizeof(line), stdin)) {
        char *rest = line;
        char *expr = strsep(&rest, "\t"), *zone = strsep(&rest, "\t"), *after = strsep(&rest, "\t");
        if (!after || !rest)
            return 1;
        answer(expr, zone, strtoll(after, NULL, 10), atoi(rest));
    }
    return 0;
}
