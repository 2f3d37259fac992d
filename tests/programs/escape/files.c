/*
 * files.c - files that are not the job's: the store, the configuration, other jobs, devices.
 */
#include "escape.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

bool read_database(void)
{
    return opened(target.database, O_RDONLY);
}

bool write_database(void)
{
    return opened(target.database, O_WRONLY);
}

bool truncate_database(void)
{
    return truncate(target.database, 0) == 0;
}

bool truncate_by_reading(void)
{
    return opened(target.database, O_RDONLY | O_TRUNC);
}

bool remove_database(void)
{
    return unlink(target.database) == 0;
}

bool rename_database(void)
{
    return rename(target.database, "mine") == 0;
}

bool link_database(void)
{
    return link(target.database, "mine") == 0;
}

bool database_by_symlink(void)
{
    return symlink(target.database, "innocent") == 0 && opened("innocent", O_RDONLY);
}

bool database_by_exec(void)
{
    execl(target.database, target.database, NULL);
    return errno == ENOEXEC; /* it was read */
}

bool database_by_root_link(void)
{
    char path[512];
    snprintf(path, sizeof(path), "/proc/%d/root%s", (int)target.service, target.database);
    return opened(path, O_RDONLY);
}

bool database_by_up(void)
{
    char path[512];
    snprintf(path, sizeof(path), "../../../../../..%s", target.database);
    return opened(path, O_RDONLY);
}

bool read_config(void)
{
    return opened(target.config, O_RDONLY);
}

bool read_secret(void)
{
    return opened(target.secret, O_RDONLY);
}

bool change_mode(void)
{
    return chmod(target.database, 0666) == 0;
}

bool read_shadow(void)
{
    return opened("/etc/shadow", O_RDONLY);
}

bool other_jobs(void)
{
    DIR *d = opendir("/tmp");
    if (d)
        closedir(d);
    return d != NULL;
}

bool write_tmp(void)
{
    return opened("/tmp/escaped", O_WRONLY | O_CREAT);
}

bool write_shm(void)
{
    return opened("/dev/shm/escaped", O_WRONLY | O_CREAT);
}

bool rename_own_directory(void)
{
    char dir[512];
    return getcwd(dir, sizeof(dir)) && rename(dir, "/tmp/elsewhere") == 0;
}

bool make_device(void)
{
    return mknod("disk", S_IFBLK | 0600, makedev(8, 0)) == 0;
}

bool read_memory_device(void)
{
    return opened("/dev/mem", O_RDONLY) || opened("/dev/kmsg", O_RDONLY);
}

bool by_handle(void)
{
    struct {
        struct file_handle h;
        char room[128];
    } f = {.h.handle_bytes = 128};
    int mount_id;
    return name_to_handle_at(AT_FDCWD, ".", &f.h, &mount_id, 0) == 0 &&
           open_by_handle_at(AT_FDCWD, &f.h, O_RDONLY) >= 0;
}

bool open_tty(void)
{
    return opened("/dev/tty", O_RDWR) || opened("/dev/ptmx", O_RDWR) ||
           opened("/dev/console", O_RDWR);
}

bool leave_for_root(void)
{
    return opened("/etc/cron.d/escaped", O_WRONLY | O_CREAT) ||
           opened("/etc/ld.so.preload", O_WRONLY | O_CREAT) ||
           opened("/run/escaped", O_WRONLY | O_CREAT);
}

bool read_shm(void)
{
    DIR *d = opendir("/dev/shm");
    return d != NULL;
}

bool watch_files(void)
{
    return syscall(SYS_fanotify_init, 0, O_RDONLY) >= 0;
}
