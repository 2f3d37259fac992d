/*
 * backup.h - `jobmill backup FILE`: a whole copy of the store, of a service that runs or not.
 */
#ifndef JOBMILL_SERVER_BACKUP_H
#define JOBMILL_SERVER_BACKUP_H

/* Copies the store in data_dir to `file`, which must not be there, checks the copy and syncs it; `file`
 * appears whole or not at all. Prints what it did, or why not. Returns the exit status: 0, 69 the
 * store cannot be read, 73 the file cannot be made, 74 a disk failed. Ends on SIGINT, SIGTERM and
 * SIGHUP without leaving anything behind. */
int backup_run(const char *data_dir, const char *file);

/* The same of what can still be read of a damaged store, as a new one. 0 also when much is missing: what it
 * prints says so. */
int recover_run(const char *data_dir, const char *file);

#endif
