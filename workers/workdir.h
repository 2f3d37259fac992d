/* workdir.h - the directory of a job: fresh, private, removed after. Workers; no job code runs now. */
#ifndef JOBMILL_WORKERS_WORKDIR_H
#define JOBMILL_WORKERS_WORKDIR_H

#include <stddef.h>

/* Makes a directory of mode 0700 below $TMPDIR or /tmp; its path goes into out. 0, or an errno. */
int workdir_make(char *out, size_t size);
/* Removes it with all in it, following no symbolic link. What cannot be removed is logged. */
void workdir_remove(const char *path);

#endif
