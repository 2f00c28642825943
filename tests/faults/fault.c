/* Lets the file calls of a program fail: the nth one below a folder, or that one and all after it.
 *
 * Preloaded (LD_PRELOAD), it does nothing until `fault_arm` is called in the process whose calls are counted. Calls
 * that change files and calls that read them are counted apart. Each one is a line of the trace, "call name", with an
 * exclamation mark before those that failed.
 *
 * For LOST the disk forgets, too: once a sync has failed, everything that no later sync vouches for is gone when
 * `fault_cut` is called, the power cut. What a failed sync left behind is vouched for only where it was written again
 * (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020). For LIE the sync that loses it
 * reports no error. The names of files stay as they are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NONE, FAIL, SHORT, LOST, LIE };
enum { CHANGE, READ };
enum { FILES_MAX = 64 };

struct write_ {
    struct write_ *older;
    int file, doubtful;
    off_t at;
    size_t count;
    char old[];
};

static char root[PATH_MAX];
static size_t root_length;
static int armed, trace_fd = -1, what, error_number, counted, for_good;
static long failing, done[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { ino_t inode; int fd; } files[FILES_MAX];
static int files_count;
static struct write_ *newest;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

void fault_arm(const char *folder, int trace, int family, long nth, int how, int number, int stays)
{
    memcpy(root, folder, (root_length = strlen(folder)) + 1);
    trace_fd = trace, counted = family, failing = nth, what = how, error_number = number, for_good = stays, armed = 1;
}

static int is_below(const char *path)
{
    return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int path_of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return length > 0;
}

/* Count a call; how it fails: NONE, or what was asked for. */
static int next(int family, const char *call, const char *path)
{
    if (!armed || !is_below(path)) return NONE;
    pthread_mutex_lock(&lock);
    long nth = ++done[family];
    int fails = what != NONE && family == counted && (nth == failing || (for_good && nth > failing));
    char line[PATH_MAX + 32];
    int length = snprintf(line, sizeof line, "%s%s %s\n", fails ? "!" : "", call, path + root_length);
    if (family == counted) (void)!syscall(SYS_write, trace_fd, line, (size_t)length);
    pthread_mutex_unlock(&lock);
    return fails ? what : NONE;
}

static int next_fd(int family, const char *call, int fd)
{
    char path[PATH_MAX];
    int kept = errno, fails = armed && path_of(fd, path) ? next(family, call, path) : NONE;
    errno = kept;
    return fails;
}

static int failed(void)
{
    errno = error_number;
    return -1;
}

/* What no sync vouches for */

static int file_of(int fd)
{
    struct stat found;
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) return -1;
    for (int i = 0; i < files_count; i++) if (files[i].inode == found.st_ino) return i;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (files_count == FILES_MAX) abort();
    /* stays open: closing it would give up the locks of this process, and its inode to another file */
    files[files_count].fd = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC);
    files[files_count].inode = found.st_ino;
    return files_count++;
}

static void remember(int fd, off_t at, size_t count)
{
    char path[PATH_MAX];
    if (!armed || (what != LOST && what != LIE) || !path_of(fd, path) || !is_below(path)) return;
    pthread_mutex_lock(&lock);
    struct write_ *one = calloc(1, sizeof *one + count);
    one->file = file_of(fd), one->at = at, one->count = count, one->older = newest;
    if (one->file >= 0) (void)!syscall(SYS_pread64, files[one->file].fd, one->old, count, at);
    newest = one;
    pthread_mutex_unlock(&lock);
}

static int is_written_again(const struct write_ *one, const struct write_ *until)
{
    for (const struct write_ *later = newest; later != until; later = later->older)
        if (later->file == one->file && !later->doubtful && later->at <= one->at
            && later->at + (off_t)later->count >= one->at + (off_t)one->count) return 1;
    return 0;
}

static void vouched(int fd, int fails)
{
    if (!armed || (what != LOST && what != LIE)) return;
    pthread_mutex_lock(&lock);
    int file = file_of(fd);
    for (struct write_ *one = newest; one != NULL; one = one->older) {
        if (one->file != file) continue;
        if (fails) one->doubtful = 1;
        else if (one->doubtful && is_written_again(one, one)) one->doubtful = -1;
    }
    for (struct write_ **at = &newest; !fails && *at != NULL;) {
        struct write_ *one = *at;
        if (one->file != file || one->doubtful > 0) at = &one->older;
        else *at = one->older;
    }
    pthread_mutex_unlock(&lock);
}

void fault_cut(void)
{
    pthread_mutex_lock(&lock);
    armed = 0;
    for (struct write_ *one = newest; one != NULL; one = one->older) {
        struct stat found;
        if (one->file < 0 || fstat(files[one->file].fd, &found) != 0 || found.st_size <= one->at) continue;
        off_t left = found.st_size - one->at; /* what was cut off stays so */
        size_t count = one->count < (size_t)left ? one->count : (size_t)left;
        (void)!syscall(SYS_pwrite64, files[one->file].fd, one->old, count, one->at);
    }
    pthread_mutex_unlock(&lock);
}

/* Writing and reading */

#define CUT_SHORT(count) ((count) > 1 ? (count) / 2 : (count))

ssize_t write(int fd, const void *data, size_t count)
{
    REAL(write);
    int fails = next_fd(CHANGE, "write", fd);
    if (fails == FAIL) return failed();
    if (fails == SHORT) count = CUT_SHORT(count);
    struct stat found;
    if (armed && (what == LOST || what == LIE))
        remember(fd, fcntl(fd, F_GETFL) & O_APPEND && fstat(fd, &found) == 0 ? found.st_size : lseek(fd, 0, SEEK_CUR),
                 count);
    return real(fd, data, count);
}

static ssize_t written_at(ssize_t (*real)(int, const void *, size_t, off_t), int fd, const void *data, size_t count,
                          off_t at)
{
    int fails = next_fd(CHANGE, "write", fd);
    if (fails == FAIL) return failed();
    if (fails == SHORT) count = CUT_SHORT(count);
    remember(fd, at, count);
    return real(fd, data, count, at);
}

#define PWRITE(name) \
    ssize_t name(int fd, const void *data, size_t count, off_t at) \
    { REAL(name); return written_at(real, fd, data, count, at); }

#define PREAD(name) \
    ssize_t name(int fd, void *data, size_t count, off_t at) \
    { REAL(name); return next_fd(READ, "read", fd) == FAIL ? failed() : real(fd, data, count, at); }

PWRITE(pwrite)
PWRITE(pwrite64)
PREAD(pread)
PREAD(pread64)

ssize_t read(int fd, void *data, size_t count)
{ REAL(read); return next_fd(READ, "read", fd) == FAIL ? failed() : real(fd, data, count); }

/* Sizes and syncs */

#define TRUNCATE(name) \
    int name(int fd, off_t size) \
    { REAL(name); return next_fd(CHANGE, "truncate", fd) == FAIL ? failed() : real(fd, size); }

#define ALLOCATE(name) \
    int name(int fd, off_t at, off_t length) \
    { REAL(name); return next_fd(CHANGE, "allocate", fd) == FAIL ? error_number : real(fd, at, length); }

TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)
ALLOCATE(posix_fallocate)
ALLOCATE(posix_fallocate64)

static int synced(int (*real)(int), int fd)
{
    int fails = next_fd(CHANGE, "sync", fd);
    if (fails == FAIL) return failed();
    int bad = fails == NONE ? real(fd) : 0;
    vouched(fd, fails != NONE || bad);
    return fails == LOST ? failed() : bad;
}

#define SYNC(name) \
    int name(int fd) { REAL(name); return synced(real, fd); }

SYNC(fsync)
SYNC(fdatasync)

/* Names */

static int next_at(const char *call, int directory, const char *given)
{
    char path[PATH_MAX];
    int kept = errno, fails = NONE;
    if (!armed || given == NULL) return NONE;
    if (given[0] == '/') fails = next(CHANGE, call, given);
    else if (directory == AT_FDCWD ? getcwd(path, PATH_MAX) != NULL : path_of(directory, path)) {
        size_t length = strlen(path);
        snprintf(path + length, PATH_MAX - length, "/%s", given);
        fails = next(CHANGE, call, path);
    }
    errno = kept;
    return fails;
}

typedef int (*opener)(int, const char *, int, ...);

static int opened(opener real, int directory, const char *given, int flags, mode_t mode)
{
    int changes = (flags & (O_CREAT | O_TRUNC)) || (flags & O_ACCMODE) != O_RDONLY;
    return changes && next_at("open", directory, given) == FAIL ? failed() : real(directory, given, flags, mode);
}

#define MODE_OF(flags) \
    va_list more; \
    va_start(more, flags); \
    mode_t mode = (flags) & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0; \
    va_end(more)

#define OPENAT(name) \
    int name(int directory, const char *given, int flags, ...) \
    { REAL(name); MODE_OF(flags); return opened(real, directory, given, flags, mode); }

#define OPEN(name, by) \
    int name(const char *given, int flags, ...) \
    { REAL(by); MODE_OF(flags); return opened(real, AT_FDCWD, given, flags, mode); }

OPENAT(openat)
OPENAT(openat64)
OPEN(open, openat)
OPEN(open64, openat64)

int renameat(int from_at, const char *from, int to_at, const char *to)
{ REAL(renameat); return next_at("rename", to_at, to) == FAIL ? failed() : real(from_at, from, to_at, to); }

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int directory, const char *given, int flags)
{ REAL(unlinkat); return next_at("unlink", directory, given) == FAIL ? failed() : real(directory, given, flags); }

int unlink(const char *given) { return unlinkat(AT_FDCWD, given, 0); }

int rmdir(const char *given) { return unlinkat(AT_FDCWD, given, AT_REMOVEDIR); }

int mkdirat(int directory, const char *given, mode_t mode)
{ REAL(mkdirat); return next_at("mkdir", directory, given) == FAIL ? failed() : real(directory, given, mode); }

int mkdir(const char *given, mode_t mode) { return mkdirat(AT_FDCWD, given, mode); }
