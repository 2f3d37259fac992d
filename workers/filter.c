/* filter.c - the filter on system calls. Single-threaded processes. */
#include "filter.h"

#include "../common/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVERY_NAMESPACE                                                                            \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)
#define LOW_HALF UINT64_C(0xFFFFFFFF) /* what the kernel looks at in an int's register */

bool filter_works(void)
{
    const uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

/* 0, or an errno; a call that this architecture does not have is passed over. */
static int refuse(scmp_filter_ctx c, int error, int call, unsigned n, const struct scmp_arg_cmp *a)
{
    int err = seccomp_rule_add_array(c, SCMP_ACT_ERRNO((uint32_t)error), call, n, a);
    return err == -EDOM || err == -EOPNOTSUPP ? 0 : -err;
}

static int add_calls(scmp_filter_ctx c)
{
    static const struct {
        int call, error;
    } calls[] = {
#define REFUSE(name) {SCMP_SYS(name), EPERM},
#define ABSENT(name) {SCMP_SYS(name), ENOSYS},
#include "filter.def"
#undef REFUSE
#undef ABSENT
    };
    int err = 0;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !err; i++)
        err = refuse(c, calls[i].error, calls[i].call, 0, NULL);
    for (unsigned bit = 0; bit < 32 && !err; bit++) {
        uint64_t flag = UINT64_C(1) << bit;
        const struct scmp_arg_cmp has = SCMP_A0_64(SCMP_CMP_MASKED_EQ, flag, flag);
        if (flag & EVERY_NAMESPACE)
            err = refuse(c, EPERM, SCMP_SYS(clone), 1, &has);
    }
    static const uint32_t ioctls[] = {TIOCSTI, 0x541C /* TIOCLINUX */};
    for (size_t i = 0; i < sizeof(ioctls) / sizeof(ioctls[0]) && !err; i++) {
        const struct scmp_arg_cmp is = SCMP_A1_64(SCMP_CMP_MASKED_EQ, LOW_HALF, ioctls[i]);
        err = refuse(c, EPERM, SCMP_SYS(ioctl), 1, &is);
    }
    return err;
}

/* Before its version 3 Landlock does not see truncation, which a file open for reading is open to.
 */
static int add_truncation(scmp_filter_ctx c)
{
    const uint64_t mask = O_ACCMODE | O_TRUNC;
    const struct scmp_arg_cmp at1 = SCMP_A1_64(SCMP_CMP_MASKED_EQ, mask, O_RDONLY | O_TRUNC);
    const struct scmp_arg_cmp at2 = SCMP_A2_64(SCMP_CMP_MASKED_EQ, mask, O_RDONLY | O_TRUNC);
    int err = refuse(c, EPERM, SCMP_SYS(truncate), 0, NULL);
    if (!err)
        err = refuse(c, EPERM, SCMP_SYS(open), 1, &at1);
    if (!err)
        err = refuse(c, EPERM, SCMP_SYS(openat), 1, &at2);
    return err ? err : refuse(c, ENOSYS, SCMP_SYS(openat2), 0, NULL);
}

/* It makes, connects and reads sockets by calls that no filter sees. */
static int add_io_uring(scmp_filter_ctx c)
{
    static const int calls[] = {SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
                                SCMP_SYS(io_uring_register)};
    int err = 0;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !err; i++)
        err = refuse(c, ENOSYS, calls[i], 0, NULL);
    return err;
}

/* All families but those allowed: below the first, between two, above the last. */
static int add_sockets(scmp_filter_ctx c, enum filter_sockets sockets)
{
    static const int local[] = {AF_UNIX}, inet[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    const int *allowed = sockets == FILTER_SOCKETS_INET ? inet : local;
    int n = sockets == FILTER_SOCKETS_INET ? 4 : 1;
    if (sockets == FILTER_SOCKETS_NONE)
        return refuse(c, EPERM, SCMP_SYS(socket), 0, NULL);
    const struct scmp_arg_cmp above = SCMP_A0_64(SCMP_CMP_GT, (uint64_t)allowed[n - 1]);
    int err = refuse(c, EPERM, SCMP_SYS(socket), 1, &above);
    for (int family = 0, k = 0; family < allowed[n - 1] && !err; family++) {
        const struct scmp_arg_cmp is = SCMP_A0_64(SCMP_CMP_MASKED_EQ, LOW_HALF, (uint64_t)family);
        if (family == allowed[k])
            k++;
        else
            err = refuse(c, EPERM, SCMP_SYS(socket), 1, &is);
    }
    return err;
}

static int add_all(scmp_filter_ctx c, enum filter_sockets sockets, bool calls, bool old_landlock)
{
    (void)seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a search tree */
    int err = calls ? add_calls(c) : 0;
    if (!err && calls && old_landlock)
        err = add_truncation(c);
    if (!err)
        err = add_io_uring(c);
    return err ? err : add_sockets(c, sockets);
}

/* The filter as the kernel takes it. */
static int take_code(scmp_filter_ctx c, struct filter *f)
{
    struct stat st;
    AUTO_FD fd = memfd_create("jobmill-filter", MFD_CLOEXEC);
    int err = fd < 0 ? errno : -seccomp_export_bpf(c, fd);
    if (err || fstat(fd, &st) < 0)
        return err ? err : errno;
    size_t len = (size_t)st.st_size;
    f->code = malloc(len ? len : 1);
    if (!f->code)
        return ENOMEM;
    if (pread(fd, f->code, len, 0) != (ssize_t)len)
        return EIO;
    f->count = len / sizeof(struct sock_filter);
    return 0;
}

int filter_make(struct filter *f, enum filter_sockets sockets, bool calls, bool old_landlock)
{
    *f = (struct filter){0};
    scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW); /* calls of another architecture kill */
    if (!c)
        return ENOMEM;
    int err = add_all(c, sockets, calls, old_landlock);
    if (!err)
        err = take_code(c, f);
    seccomp_release(c);
    if (err)
        filter_release(f);
    return err;
}

void filter_release(struct filter *f)
{
    free(f->code);
    *f = (struct filter){0};
}

int filter_enter(const struct filter *f)
{
    const struct sock_fprog program = {(unsigned short)f->count, f->code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
