/* workdir.h - the directory of a job: fresh, private, removed after. Workers; no job code runs now. */
#ifndef JOBMILL_WORKERS_WORKDIR_H
#define JOBMILL_WORKERS_WORKDIR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where jobs' directories are: $TMPDIR or /tmp. */
const char *workdir_base(void);
/* From now on they are this service's: `home` is in their names. */
void workdir_of(uint32_t home);
/* Makes a directory of mode 0700 below workdir_base(), named after the calling worker; its path goes
 * into out. 0, or an errno. */
int workdir_make(char *out, size_t size);
/* Removes it with all in it, following no symbolic link. What cannot be removed is logged. */
void workdir_remove(const char *path);
/* Removes all that a worker has made: it is dead, with all below it. For the fork server. */
void workdir_remove_all(pid_t worker);
/* Removes all that there is of this service's and is `uid`'s or the caller's: none of its workers lives. */
void workdir_sweep(uint32_t uid);

#endif
