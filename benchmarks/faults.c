/* A library to preload: counts the calls by which a process writes below FAULT_FOLDER, and spoils the nth.
 *
 *   FAULT_FOLDER   paths that begin with this are counted; nothing happens without it
 *   FAULT_AT       which call is spoiled, from 1; 0 for none
 *   FAULT_KIND     full: no space is left; io: an input/output error; kill: half of it is written, then SIGKILL;
 *                  clock: nothing fails, but from this call on the clock is two days slow
 *   FAULT_LOG      a line is added for each call: its name and the path
 *
 * cc -shared -fPIC -O1 -o faults.so faults.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long calls;

static int is_kind(const char *name)
{
    const char *kind = getenv("FAULT_KIND");
    return kind != NULL && strcmp(kind, name) == 0;
}

/* Whether this call is to be spoiled. */
static int counted(const char *name, const char *path)
{
    const char *folder = getenv("FAULT_FOLDER"), *at = getenv("FAULT_AT"), *log = getenv("FAULT_LOG");
    if (folder == NULL || strncmp(path, folder, strlen(folder)) != 0)
        return 0;
    long number = __sync_add_and_fetch(&calls, 1);
    if (log != NULL) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%s %s\n", name, path);
        int file = open(log, O_WRONLY | O_APPEND | O_CREAT, 0644);
        ssize_t (*plain_write)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
        if (file >= 0) {
            plain_write(file, line, length);
            close(file);
        }
    }
    return at != NULL && number == atol(at) && !is_kind("clock");
}

static int counted_file(const char *name, int file)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return counted(name, path);
}

/* Ends the process, or sets errno. */
static void spoil(void)
{
    if (is_kind("kill"))
        kill(getpid(), SIGKILL);
    errno = is_kind("full") ? ENOSPC : EIO;
}

/* By how many seconds the clock was set back. */
static time_t behind(void)
{
    const char *at = getenv("FAULT_AT");
    return at != NULL && is_kind("clock") && calls >= atol(at) ? 2 * 24 * 3600 : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int (*next)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int status = next(clock, now);
    if (status == 0 && clock == CLOCK_REALTIME)
        now->tv_sec -= behind();
    return status;
}

ssize_t write(int file, const void *data, size_t count)
{
    ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (counted_file("write", file)) {
        if (count > 1)
            next(file, data, count / 2);
        return spoil(), -1;
    }
    return next(file, data, count);
}

#define POSITIONED(name)                                                                                               \
    ssize_t name(int file, const void *data, size_t count, off_t place)                                                \
    {                                                                                                                  \
        ssize_t (*next)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, #name);                                   \
        if (counted_file(#name, file))                                                                                 \
            return spoil(), -1;                                                                                        \
        return next(file, data, count, place);                                                                         \
    }
POSITIONED(pwrite)
POSITIONED(pwrite64)

int fsync(int file)
{
    int (*next)(int) = dlsym(RTLD_NEXT, "fsync");
    if (counted_file("fsync", file))
        return spoil(), -1;
    return next(file);
}

int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    if (counted("rename", to))
        return spoil(), -1;
    return next(from, to);
}

