/* Preloaded into segctl by `kills.rs`: ends the process at one change of the ledger's files. Changes are numbered from 1 as
   they come: before a write, in the middle of it, before and after its sync, before and after a file is renamed or removed.
   KILL_BELOW is the directory of the ledger, KILL_AT the number. Linux only. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long reached;

/* Whether it is a file of the ledger itself: the calls made and what was seen are kept beside it, and are no journal. */
static int concerns(const char *path) {
    const char *below = getenv("KILL_BELOW");
    size_t length = below ? strlen(below) : 0;
    if (!length || strncmp(path, below, length) || path[length] != '/') {
        return 0;
    }
    const char *name = path + length + 1;
    return !strncmp(name, "journal", 7) || !strncmp(name, "ledger", 6);
}

static int is_open_at(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) {
        return 0;
    }
    path[length] = 0;
    return concerns(path);
}

static int is_last(void) {
    const char *last = getenv("KILL_AT");
    return last && __atomic_add_fetch(&reached, 1, __ATOMIC_SEQ_CST) == atol(last);
}

static void change(int concerned) {
    if (concerned && is_last()) {
        kill(getpid(), SIGKILL);
    }
}

ssize_t write(int file, const void *bytes, size_t count) {
    int concerned = is_open_at(file);
    change(concerned);
    if (concerned && is_last()) {
        syscall(SYS_write, file, bytes, count / 2);
        kill(getpid(), SIGKILL);
    }
    return syscall(SYS_write, file, bytes, count);
}

int fsync(int file) {
    int concerned = is_open_at(file);
    change(concerned);
    int result = syscall(SYS_fsync, file);
    change(concerned);
    return result;
}

int rename(const char *from, const char *to) {
    int concerned = concerns(to);
    change(concerned);
    int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    change(concerned);
    return result;
}

int unlink(const char *path) {
    int concerned = concerns(path);
    change(concerned);
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    change(concerned);
    return result;
}
