/* conf_machine.c - what the settings ask of this machine. Before any thread exists. */
#include "conf_machine.h"

#include "../common/err.h"
#include "../workers/cgroup.h"
#include "../workers/sandbox.h"
#include "conf_limits.h"
#include "conf_pools.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define bad(why, ...) (buf_addf(why, __VA_ARGS__), -ERR_CONFIG)

/* ---- who ---- */

static int find_user(struct conf *c, struct buf *why)
{
    c->defs.sandbox_uid = c->defs.sandbox_gid = 0;
    if (!c->sandbox_user[0] || geteuid() != 0)
        return 0;
    errno = 0;
    const struct passwd *p = getpwnam(c->sandbox_user);
    if (!p || p->pw_uid == 0)
        return bad(why, "sandbox_user = %s: %s", c->sandbox_user,
                   p       ? "is root"
                   : errno ? strerror(errno)
                           : "there is no such user");
    c->defs.sandbox_uid = p->pw_uid;
    c->defs.sandbox_gid = p->pw_gid;
    return 0;
}

/* ---- what nobody may see ---- */

/* Without symbolic links, also when the last parts do not exist yet. NULL: out of memory. */
static char *real(const char *path)
{
    char *head = strdup(path), *out = NULL;
    size_t cut = head ? strlen(head) : 0;
    while (head && !out) {
        char *resolved = realpath(cut ? head : path[0] == '/' ? "/" : ".", NULL);
        if (resolved) {
            const char *rest = path + cut + (path[cut] == '/');
            if (asprintf(&out, "%s%s%s", resolved, *rest && resolved[1] ? "/" : "", rest) < 0)
                out = NULL;
            free(resolved);
            break;
        }
        while (cut > 0 && head[--cut] != '/')
            ;
        head[cut] = '\0';
    }
    free(head);
    if (out && strlen(out) > 1 && out[strlen(out) - 1] == '/')
        out[strlen(out) - 1] = '\0';
    return out;
}

static int find_hidden(struct conf *c)
{
    const char *const paths[] = {c->data_dir, c->file, c->webhook_secret_file, c->tls_key};
    size_t n = 0;
    c->defs.hidden = calloc(sizeof(paths) / sizeof(paths[0]) + 1, sizeof(*c->defs.hidden));
    if (!c->defs.hidden)
        return -ERR_NOMEM;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (!paths[i] || !paths[i][0])
            continue;
        c->defs.hidden[n] = real(paths[i]);
        if (!c->defs.hidden[n++])
            return -ERR_NOMEM;
    }
    return 0;
}

/* ---- is it to be had? ---- */

enum sandbox_level conf_strongest(const struct machine *m)
{
    return !m->seccomp || !m->landlock ? SANDBOX_NONE
           : m->namespaces             ? SANDBOX_STRICT
                                       : SANDBOX_BASIC;
}

int conf_settle_task(struct taskdef *t, const struct machine *m, struct buf *why)
{
    enum sandbox_level most = conf_strongest(m);
    if (t->kind == TASK_MODULE && most == SANDBOX_STRICT)
        most = SANDBOX_BASIC;
    if (t->sandbox == SANDBOX_BEST && t->network_by_default && !m->seccomp)
        t->network = true; /* the best there is does not forbid it */
    if (t->sandbox == SANDBOX_BEST)
        t->sandbox = most;
    if (t->sandbox > most)
        return bad(why, "[task %s]: sandbox = %s: this machine does not offer it: %s", t->name,
                   limits_level_name(t->sandbox), m->why);
    if (!t->network && !m->seccomp)
        return bad(why, "[task %s]: network = no: this machine does not offer it: %s", t->name,
                   m->why);
    if (t->processes && !m->user_namespace && !m->own_user && !m->cgroup[0])
        return bad(why,
                   "[task %s]: processes = %u: cannot be counted on this machine: user namespaces "
                   "are not allowed, the service is not root, and %s",
                   t->name, t->processes, m->cgroup_why);
    if (t->processes && t->sandbox == SANDBOX_NONE)
        return bad(why, "[task %s]: processes: needs a sandbox, and none works here: %s", t->name,
                   m->why);
    return 0;
}

/* And what CPUs there are. */
static void find_cgroup(struct machine *m)
{
    _Static_assert(sizeof(m->cgroup) == CGROUP_PATH, "a path of cgroup.h");
    m->cpu_quota = cgroup_cpu_quota_here();
    m->cores = cpus_by_quota(cpus_usable(), m->cpu_quota);
    const char *lacks = cgroup_begin(m->cgroup);
    snprintf(m->cgroup_why, sizeof(m->cgroup_why), "%s", lacks ? lacks : "");
}

#define LOG_BYTES_LEAST (1u << 20) /* go to the service's own log, also when no job keeps them */

int conf_settle(struct conf *c, struct buf *why)
{
    int err = find_user(c, why);
    if (!err)
        err = find_hidden(c);
    if (err)
        return err;
    struct cpus allowed;
    if (cpus_allowed(&allowed) == 0) /* else the workers tell when they cannot be bound */
        err = pools_check(&c->defs, &allowed, why);
    sandbox_probe(&c->defs.machine, c->defs.sandbox_uid, c->defs.sandbox_gid);
    find_cgroup(&c->defs.machine);
    for (uint32_t i = 0; i < c->defs.tasks && !err; i++) {
        if (c->log_max > LOG_BYTES_LEAST)
            c->defs.task[i].log_bytes = c->log_max;
        err = conf_settle_task(&c->defs.task[i], &c->defs.machine, why);
    }
    if (err)
        conf_unsettle();
    return err;
}

void conf_unsettle(void)
{
    cgroup_take_down();
}

static const char *yes(bool on)
{
    return on ? "yes" : "no";
}

void conf_print_machine(const struct conf *c, FILE *out)
{
    const struct machine *m = &c->defs.machine;
    fprintf(out,
            "\n; this machine: seccomp %s, Landlock %d, user namespaces %s, other namespaces %s, "
            "programs as another user %s\n; the strongest sandbox here: %s%s%s\n",
            yes(m->seccomp), m->landlock, yes(m->user_namespace), yes(m->namespaces),
            yes(m->own_user), limits_level_name(conf_strongest(m)), m->why[0] ? "; " : "", m->why);
    fprintf(out, "; cores: %u%s\n", m->cores,
            m->cpu_quota ? "; the service's cgroup has a quota of CPU time" : "");
    fprintf(out, "; memory and processes of a program with all below it: %s%s%s\n",
            m->cgroup[0] ? "bounded by cgroups below " : "no cgroup: ", m->cgroup, m->cgroup_why);
}
