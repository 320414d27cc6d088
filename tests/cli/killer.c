/* Preloaded into segctl by `crash_recovery.rs`: kills the process at one change of the state files. Changes are numbered
   from 1 in the order in which they happen: before a write, in the middle of it, before and after a sync, before and after
   a rename or a removal. KILL_BELOW is the state directory, KILL_AT is the number. Linux only. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long change_count;

/* Whether `path` is a state or journal file. The request log and the cache in the same directory do not count. */
static int is_state_file(const char *path) {
    const char *below = getenv("KILL_BELOW");
    size_t length = below ? strlen(below) : 0;
    if (!length || strncmp(path, below, length) || path[length] != '/') {
        return 0;
    }
    const char *name = path + length + 1;
    return !strncmp(name, "journal", 7) || !strncmp(name, "state", 5);
}

static int is_open_state_file(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) {
        return 0;
    }
    path[length] = 0;
    return is_state_file(path);
}

static int is_kill_point(void) {
    const char *number = getenv("KILL_AT");
    return number && __atomic_add_fetch(&change_count, 1, __ATOMIC_SEQ_CST) == atol(number);
}

static void count_change(int is_state) {
    if (is_state && is_kill_point()) {
        kill(getpid(), SIGKILL);
    }
}

ssize_t write(int file, const void *bytes, size_t count) {
    int is_state = is_open_state_file(file);
    count_change(is_state);
    if (is_state && is_kill_point()) {
        syscall(SYS_write, file, bytes, count / 2);
        kill(getpid(), SIGKILL);
    }
    return syscall(SYS_write, file, bytes, count);
}

int fsync(int file) {
    int is_state = is_open_state_file(file);
    count_change(is_state);
    int result = syscall(SYS_fsync, file);
    count_change(is_state);
    return result;
}

int rename(const char *from, const char *to) {
    int is_state = is_state_file(to);
    count_change(is_state);
    int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    count_change(is_state);
    return result;
}

int unlink(const char *path) {
    int is_state = is_state_file(path);
    count_change(is_state);
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    count_change(is_state);
    return result;
}
