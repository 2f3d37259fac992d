/* workdir.h - the directory of a job: fresh, private, removed after. Workers; no job code runs now. */
#ifndef JOBMILL_WORKERS_WORKDIR_H
#define JOBMILL_WORKERS_WORKDIR_H

#include "../common/buf.h"

#include <stdbool.h>
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
/* Removes it with all in it, following no symbolic link. What cannot be removed is logged. False: it was not done
 * at `until_us` (mono), and some of it is left. */
bool workdir_remove(const char *path, int64_t until_us);
/* Adds the paths, each with a zero byte behind it, of all that there is of this service's and is `uid`'s or the caller's:
 * what a worker has made, or, with 0, all workers. */
void workdir_find(pid_t worker, uint32_t uid, struct buf *paths);
/* Removes each of them. False: time was up. */
bool workdir_remove_all(const struct buf *paths, int64_t until_us);

#endif
