/*
 * route.c - matching a raw path against route.def. Nothing is decoded before the match, so that an
 * escaped slash or dot never changes which handler runs. Any thread; tables only.
 */
#include "route.h"

#include "../../common/buf.h"
#include "../../common/err.h"
#include "../metrics.h"
#include "api.h"

#include <stdbool.h>
#include <string.h>

const struct route route_table[] = {
#define ROUTE(method, pattern, handler, scope, body, where)                                        \
    {METHOD_##method, pattern, handler, SCOPE_##scope, BODY_##body, WHERE_##where},
#include "route.def"
#undef ROUTE
};
const size_t route_count = sizeof(route_table) / sizeof(route_table[0]);
_Static_assert(sizeof(route_table) / sizeof(route_table[0]) <= METRICS_ROUTES_MAX,
               "metrics.h has room for every route");

enum method route_method(const char *name)
{
    if (strcmp(name, "GET") == 0 || strcmp(name, "HEAD") == 0)
        return METHOD_GET;
    if (strcmp(name, "POST") == 0)
        return METHOD_POST;
    if (strcmp(name, "DELETE") == 0)
        return METHOD_DELETE;
    return strcmp(name, "OPTIONS") == 0 ? METHOD_OPTIONS : METHOD_OTHER;
}

static bool matches(const char *pattern, const char *path, struct route_part *part)
{
    *part = (struct route_part){0};
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        pattern = strchr(pattern, '}') + 1;
        part->text = path;
        part->len = strcspn(path, "/");
        if (part->len == 0)
            return false;
        path += part->len;
    }
    return *path == 0;
}

int route_find(enum method method, const char *path, const struct route **route,
               struct route_part *part)
{
    for (size_t i = 0; i < route_count; i++) {
        if (route_table[i].method == method && matches(route_table[i].pattern, path, part)) {
            *route = &route_table[i];
            return 0;
        }
    }
    struct route_part ignored;
    for (size_t i = 0; i < route_count; i++) {
        if (matches(route_table[i].pattern, path, &ignored))
            return -ERR_BAD_METHOD;
    }
    return -ERR_NOT_FOUND;
}

bool route_is_admin(const struct route *route)
{
    return route->handler == api_meta_health || route->handler == api_meta_ready ||
           route->handler == api_metrics;
}

void route_allow(const char *path, struct buf *out)
{
    static const char *const name[] = {
        [METHOD_GET] = "GET, HEAD, ", [METHOD_POST] = "POST, ", [METHOD_DELETE] = "DELETE, "};
    struct route_part part;
    for (size_t i = 0; i < route_count; i++) {
        if (matches(route_table[i].pattern, path, &part))
            buf_adds(out, name[route_table[i].method]);
    }
    buf_adds(out, "OPTIONS");
}
