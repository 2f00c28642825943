/* Writes down, in order and with their data, all changes that a program makes to files below one folder.
 *
 * Preloaded into the program (LD_PRELOAD) with three variables:
 *   CRASH_ROOT   the folder, as realpath names it
 *   CRASH_LOG    the file that the records are appended to; outside the folder
 *   CRASH_MARK   a file outside the folder: what the program writes there is recorded as what it said to the world
 *
 * A change and its record are made under one lock, so the order of the records is that of the changes. A call that can
 * change a file in a way that is not modelled (a shared mapping, a hard link ...) is recorded as such, and whoever reads
 * the log refuses it: `refused.h` holds them. What passes by these calls is not seen: a system call made without them,
 * io_uring, cloning by ioctl, owners, times and extended attributes. Of that the content and the modes of the files
 * show what is still there when the program ends. Files of SQLite's shared memory (-shm) are left out: nothing in them
 * is believed after a crash.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC, RESIZE, CREATE, RENAME, UNLINK, MKDIR, RMDIR, MARK, UNKNOWN };

struct record {
    uint32_t kind, name_bytes, other_bytes, mode;
    uint64_t inode, offset, data_bytes;
};

static char root[PATH_MAX], mark[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("CRASH_ROOT"), *log = getenv("CRASH_LOG"), *said = getenv("CRASH_MARK");
    if (folder == NULL || log == NULL || said == NULL || strlen(folder) >= PATH_MAX || strlen(said) >= PATH_MAX) return;
    strcpy(root, folder);
    strcpy(mark, said);
    root_length = strlen(root);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    unsetenv("LD_PRELOAD"); /* what this program starts is not recorded */
}

static void put(const void *bytes, size_t count)
{
    const char *at = bytes;
    while (count > 0) {
        long done = syscall(SYS_write, log_fd, at, count);
        if (done <= 0) _exit(97); /* a recording with a hole is worth nothing */
        at += done;
        count -= (size_t)done;
    }
}

/* A program that kills itself does it between two changes, never between a change and its record. */
int kill(pid_t process, int signal)
{
    REAL(kill);
    if (process == getpid() && signal == SIGKILL) pthread_mutex_lock(&lock);
    return real(process, signal);
}

static void note(uint32_t kind, uint64_t inode, uint64_t offset, uint32_t mode, const char *name, const char *other,
                 const void *data, size_t data_bytes)
{
    int kept = errno;
    size_t name_bytes = name ? strlen(name) : 0, other_bytes = other ? strlen(other) : 0;
    struct record record = {kind, (uint32_t)name_bytes, (uint32_t)other_bytes, mode, inode, offset, data_bytes};
    put(&record, sizeof record);
    put(name, name_bytes);
    put(other, other_bytes);
    put(data, data_bytes);
    errno = kept;
}

static int is_shared_memory(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, "-shm") == 0;
}

static int is_below(const char *path)
{
    return log_fd >= 0 && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0)
        && !is_shared_memory(path);
}

static const char *relative(const char *path) { return path[root_length] ? path + root_length + 1 : ""; }

/* The path of a descriptor; 0 where it has none. */
static int path_of(int fd, char *path)
{
    char link[64];
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    errno = kept;
    if (length <= 0) return 0;
    path[length] = 0;
    char *gone = strstr(path, " (deleted)");
    if (gone != NULL) *gone = 0;
    return 1;
}

static int watched_fd(int fd, char *path) { return log_fd >= 0 && path_of(fd, path) && is_below(path); }

static int is_mark(int fd, char *path) { return log_fd >= 0 && path_of(fd, path) && strcmp(path, mark) == 0; }

/* An absolute path for one that is given relative to a directory. */
static int watched_at(int directory, const char *given, char *path)
{
    if (log_fd < 0 || given == NULL) return 0;
    if (given[0] == '/') {
        if (strlen(given) >= PATH_MAX) return 0;
        strcpy(path, given);
    } else {
        int kept = errno;
        if (directory == AT_FDCWD ? getcwd(path, PATH_MAX) == NULL : !path_of(directory, path)) {
            errno = kept;
            return 0;
        }
        size_t length = strlen(path);
        if (length + strlen(given) + 2 > PATH_MAX) return 0;
        path[length] = '/';
        strcpy(path + length + 1, given);
    }
    return is_below(path);
}

static uint64_t inode_of(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 ? found.st_ino : 0;
}

static uint64_t inode_at(const char *path, uint32_t *mode)
{
    struct stat found;
    int kept = errno;
    uint64_t inode = lstat(path, &found) == 0 ? found.st_ino : 0;
    if (mode != NULL) *mode = inode ? found.st_mode & 07777 : 0;
    errno = kept;
    return inode;
}

static uint64_t size_of(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 ? (uint64_t)found.st_size : 0;
}

/* Writing */

static void wrote(int fd, const char *path, const void *data, ssize_t count, off_t at)
{
    if (count > 0) note(WRITE, inode_of(fd), (uint64_t)at, 0, relative(path), NULL, data, (size_t)count);
}

ssize_t write(int fd, const void *data, size_t count)
{
    REAL(write);
    char path[PATH_MAX];
    if (log_fd < 0) return real(fd, data, count);
    pthread_mutex_lock(&lock);
    ssize_t done;
    if (watched_fd(fd, path)) {
        done = real(fd, data, count);
        if (done > 0) wrote(fd, path, data, done, lseek(fd, 0, SEEK_CUR) - done);
    } else {
        done = real(fd, data, count);
        if (done > 0 && is_mark(fd, path)) note(MARK, 0, 0, 0, NULL, NULL, data, (size_t)done);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

static ssize_t written_at(ssize_t (*real)(int, const void *, size_t, off_t), int fd, const void *data, size_t count,
                          off_t at)
{
    char path[PATH_MAX];
    if (log_fd < 0) return real(fd, data, count, at);
    pthread_mutex_lock(&lock);
    ssize_t done = real(fd, data, count, at);
    if (done > 0 && watched_fd(fd, path)) wrote(fd, path, data, done, at);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t at)
{
    REAL(pwrite);
    return written_at(real, fd, data, count, at);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at)
{
    REAL(pwrite64);
    return written_at(real, fd, data, count, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    char path[PATH_MAX];
    if (log_fd < 0) return real(fd, parts, count);
    pthread_mutex_lock(&lock);
    ssize_t done = real(fd, parts, count);
    if (done > 0 && (watched_fd(fd, path) || is_mark(fd, path))) {
        int said = !is_below(path);
        ssize_t left = done;
        off_t at = said ? 0 : lseek(fd, 0, SEEK_CUR) - done;
        for (int i = 0; i < count && left > 0; i++) {
            ssize_t part = (ssize_t)parts[i].iov_len < left ? (ssize_t)parts[i].iov_len : left;
            if (said) note(MARK, 0, 0, 0, NULL, NULL, parts[i].iov_base, (size_t)part);
            else wrote(fd, path, parts[i].iov_base, part, at);
            at += part;
            left -= part;
        }
    }
    pthread_mutex_unlock(&lock);
    return done;
}

/* Sizes */

static int resized(int (*real)(int, off_t), int fd, off_t size)
{
    char path[PATH_MAX];
    if (log_fd < 0) return real(fd, size);
    pthread_mutex_lock(&lock);
    int failed = real(fd, size);
    if (!failed && watched_fd(fd, path)) note(RESIZE, inode_of(fd), (uint64_t)size, 0, relative(path), NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    return resized(real, fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    return resized(real, fd, size);
}

static int allocated(int (*real)(int, off_t, off_t), int fd, off_t at, off_t length)
{
    char path[PATH_MAX];
    if (log_fd < 0) return real(fd, at, length);
    pthread_mutex_lock(&lock);
    int failed = real(fd, at, length);
    if (!failed && watched_fd(fd, path)) note(RESIZE, inode_of(fd), size_of(fd), 0, relative(path), NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int posix_fallocate(int fd, off_t at, off_t length)
{
    REAL(posix_fallocate);
    return allocated(real, fd, at, length);
}

int posix_fallocate64(int fd, off64_t at, off64_t length)
{
    REAL(posix_fallocate64);
    return allocated(real, fd, at, length);
}

/* What is durable */

static int synced(int (*real)(int), int fd)
{
    char path[PATH_MAX];
    if (log_fd < 0) return real(fd);
    pthread_mutex_lock(&lock);
    int failed = real(fd);
    if (!failed && watched_fd(fd, path)) note(SYNC, inode_of(fd), 0, 0, relative(path), NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int fsync(int fd)
{
    REAL(fsync);
    return synced(real, fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return synced(real, fd);
}

/* Names */

typedef int (*opener)(int, const char *, int, ...);

static int is_nameless(int flags) { return (flags & O_TMPFILE) == O_TMPFILE; }

static int opened(opener real, int directory, const char *given, int flags, mode_t mode)
{
    char path[PATH_MAX];
    int may_change = is_nameless(flags) || (flags & (O_CREAT | O_TRUNC));
    if (!may_change || !watched_at(directory, given, path)) return real(directory, given, flags, mode);
    pthread_mutex_lock(&lock);
    if (is_nameless(flags)) note(UNKNOWN, 0, 0, 0, "O_TMPFILE", path, NULL, 0);
    uint64_t before = inode_at(path, NULL);
    int fd = real(directory, given, flags, mode);
    if (fd >= 0 && !is_nameless(flags)) {
        uint32_t made = 0;
        uint64_t inode = inode_at(path, &made);
        if (!before) note(CREATE, inode, 0, made, relative(path), NULL, NULL, 0);
        else if (flags & O_TRUNC) note(RESIZE, inode, 0, 0, relative(path), NULL, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if (((flags) & O_CREAT) || is_nameless(flags)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int openat(int directory, const char *given, int flags, ...)
{
    REAL(openat);
    MODE_OF(flags);
    return opened(real, directory, given, flags, mode);
}

int openat64(int directory, const char *given, int flags, ...)
{
    REAL(openat64);
    MODE_OF(flags);
    return opened(real, directory, given, flags, mode);
}

int open(const char *given, int flags, ...)
{
    REAL(openat);
    MODE_OF(flags);
    return opened(real, AT_FDCWD, given, flags, mode);
}

int open64(const char *given, int flags, ...)
{
    REAL(openat64);
    MODE_OF(flags);
    return opened(real, AT_FDCWD, given, flags, mode);
}

int creat(const char *given, mode_t mode)
{
    REAL(openat);
    return opened(real, AT_FDCWD, given, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int creat64(const char *given, mode_t mode)
{
    REAL(openat64);
    return opened(real, AT_FDCWD, given, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    REAL(renameat);
    char old[PATH_MAX], fresh[PATH_MAX];
    int leaves = watched_at(from_at, from, old), comes = watched_at(to_at, to, fresh);
    if (!leaves && !comes) return real(from_at, from, to_at, to);
    pthread_mutex_lock(&lock);
    uint64_t inode = leaves ? inode_at(old, NULL) : 0;
    int failed = real(from_at, from, to_at, to);
    if (!failed && leaves && comes) note(RENAME, inode, 0, 0, relative(old), relative(fresh), NULL, 0);
    else if (!failed) note(UNKNOWN, 0, 0, 0, "rename over the edge", old, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int directory, const char *given, int flags)
{
    REAL(unlinkat);
    char path[PATH_MAX];
    if (!watched_at(directory, given, path)) return real(directory, given, flags);
    pthread_mutex_lock(&lock);
    int failed = real(directory, given, flags);
    if (!failed) note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, 0, 0, 0, relative(path), NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int unlink(const char *given) { return unlinkat(AT_FDCWD, given, 0); }

int rmdir(const char *given) { return unlinkat(AT_FDCWD, given, AT_REMOVEDIR); }

int remove(const char *given)
{
    int kept = errno;
    if (unlink(given) == 0) return 0;
    if (errno != EISDIR && errno != EPERM) return -1;
    errno = kept;
    return rmdir(given);
}

int mkdirat(int directory, const char *given, mode_t mode)
{
    REAL(mkdirat);
    char path[PATH_MAX];
    if (!watched_at(directory, given, path)) return real(directory, given, mode);
    pthread_mutex_lock(&lock);
    int failed = real(directory, given, mode);
    uint32_t made = 0;
    uint64_t inode = failed ? 0 : inode_at(path, &made);
    if (!failed) note(MKDIR, inode, 0, made, relative(path), NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    return failed;
}

int mkdir(const char *given, mode_t mode) { return mkdirat(AT_FDCWD, given, mode); }

#include "refused.h"
