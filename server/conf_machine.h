/*
 * conf_machine.h - what the settings ask of this machine: probed, settled, or refused. Once, after
 * conf_load and before any thread or process of the service exists.
 */
#ifndef JOBMILL_SERVER_CONF_MACHINE_H
#define JOBMILL_SERVER_CONF_MACHINE_H

#include "conf.h"

/* Fills conf->defs.machine, hidden paths and the programs' user; `sandbox = best` becomes the strongest that works
 * here. 0; -ERR_CONFIG with *why when a task demands what this machine does not give; -ERR_NOMEM. */
int conf_settle(struct conf *c, struct buf *why);

/* What a task asks of the machine, for conf_settle and its test. 0, or -ERR_CONFIG with why. */
int conf_settle_task(struct taskdef *t, const struct machine *m, struct buf *why);

/* At the end of the process, when no program runs: gives back what conf_settle took of the machine (its cgroup). */
void conf_unsettle(void);

/* The strongest sandbox of commands that works. */
enum sandbox_level conf_strongest(const struct machine *m);

/* What the machine offers, as remarks of an INI file. */
void conf_print_machine(const struct conf *c, FILE *out);

#endif
