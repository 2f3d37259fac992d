/*
 * api.h - the handlers' prototypes, one for each row of route.def. Each runs on an HTTP thread, or aside where its row or a large body says so, must
 * not wait, and either answers or suspends its request (see request.h).
 */
#ifndef JOBMILL_HTTP_API_H
#define JOBMILL_HTTP_API_H

struct request;

#define ROUTE(method, pattern, handler, scope, body, where) void handler(struct request *rq);
#include "route.def"
#undef ROUTE

#endif
