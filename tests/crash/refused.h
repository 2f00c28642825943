/* The calls that change files in ways that nobody modelled: a part of recorder.c, at whose end it is included. */

static void refuse_fd(const char *what, int fd)
{
    char path[PATH_MAX];
    if (watched_fd(fd, path)) note(UNKNOWN, 0, 0, 0, what, path, NULL, 0);
}

static void refuse_path(const char *what, int directory, const char *given)
{
    char path[PATH_MAX];
    if (watched_at(directory, given, path)) note(UNKNOWN, 0, 0, 0, what, path, NULL, 0);
}

static void *mapped(void *(*real)(void *, size_t, int, int, int, off_t), void *at, size_t length, int protection,
                    int flags, int fd, off_t offset)
{
    /* mprotect may allow writing later, but never to a file that was opened for reading alone */
    if (fd >= 0 && (flags & MAP_SHARED) && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY) refuse_fd("mmap", fd);
    return real(at, length, protection, flags, fd, offset);
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap);
    return mapped(real, at, length, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset)
{
    REAL(mmap64);
    return mapped(real, at, length, protection, flags, fd, offset);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    REAL(linkat);
    refuse_path("link", to_at, to);
    return real(from_at, from, to_at, to, flags);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int symlinkat(const char *to, int directory, const char *given)
{
    REAL(symlinkat);
    refuse_path("symlink", directory, given);
    return real(to, directory, given);
}

int symlink(const char *to, const char *given) { return symlinkat(to, AT_FDCWD, given); }

int truncate(const char *given, off_t size)
{
    REAL(truncate);
    refuse_path("truncate", AT_FDCWD, given);
    return real(given, size);
}

int truncate64(const char *given, off64_t size)
{
    REAL(truncate64);
    refuse_path("truncate", AT_FDCWD, given);
    return real(given, size);
}

int fallocate(int fd, int mode, off_t at, off_t length)
{
    REAL(fallocate);
    refuse_fd("fallocate", fd);
    return real(fd, mode, at, length);
}

int fallocate64(int fd, int mode, off64_t at, off64_t length)
{
    REAL(fallocate64);
    refuse_fd("fallocate", fd);
    return real(fd, mode, at, length);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    REAL(pwritev);
    refuse_fd("pwritev", fd);
    return real(fd, parts, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
    REAL(pwritev64);
    refuse_fd("pwritev", fd);
    return real(fd, parts, count, at);
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    REAL(pwritev2);
    refuse_fd("pwritev2", fd);
    return real(fd, parts, count, at, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
    REAL(pwritev64v2);
    refuse_fd("pwritev2", fd);
    return real(fd, parts, count, at, flags);
}

ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags)
{
    REAL(splice);
    refuse_fd("splice", to);
    return real(from, from_at, to, to_at, length, flags);
}

ssize_t sendfile(int to, int from, off_t *at, size_t count)
{
    REAL(sendfile);
    refuse_fd("sendfile", to);
    return real(to, from, at, count);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t count)
{
    REAL(sendfile64);
    refuse_fd("sendfile", to);
    return real(to, from, at, count);
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags)
{
    REAL(copy_file_range);
    refuse_fd("copy_file_range", to);
    return real(from, from_at, to, to_at, length, flags);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    REAL(renameat2);
    if (flags == 0) return renameat(from_at, from, to_at, to);
    refuse_path("renameat2", from_at, from);
    refuse_path("renameat2", to_at, to);
    return real(from_at, from, to_at, to, flags);
}

int mknodat(int directory, const char *given, mode_t mode, dev_t device)
{
    REAL(mknodat);
    refuse_path("mknod", directory, given);
    return real(directory, given, mode, device);
}

int mknod(const char *given, mode_t mode, dev_t device) { return mknodat(AT_FDCWD, given, mode, device); }

/* Modes: a file has that of its making for ever. */

int fchmodat(int directory, const char *given, mode_t mode, int flags)
{
    REAL(fchmodat);
    refuse_path("chmod", directory, given);
    return real(directory, given, mode, flags);
}

int chmod(const char *given, mode_t mode) { return fchmodat(AT_FDCWD, given, mode, 0); }

int fchmod(int fd, mode_t mode)
{
    REAL(fchmod);
    refuse_fd("fchmod", fd);
    return real(fd, mode);
}

/* Streams, and names that libc makes: what it does inside itself passes by the calls above. */

static int is_for_writing(const char *how) { return strpbrk(how, "wa+") != NULL; }

FILE *fopen(const char *given, const char *how)
{
    REAL(fopen);
    if (is_for_writing(how)) refuse_path("fopen", AT_FDCWD, given);
    return real(given, how);
}

FILE *fopen64(const char *given, const char *how)
{
    REAL(fopen64);
    if (is_for_writing(how)) refuse_path("fopen", AT_FDCWD, given);
    return real(given, how);
}

FILE *freopen(const char *given, const char *how, FILE *stream)
{
    REAL(freopen);
    if (given != NULL && is_for_writing(how)) refuse_path("freopen", AT_FDCWD, given);
    return real(given, how, stream);
}

FILE *freopen64(const char *given, const char *how, FILE *stream)
{
    REAL(freopen64);
    if (given != NULL && is_for_writing(how)) refuse_path("freopen", AT_FDCWD, given);
    return real(given, how, stream);
}

FILE *fdopen(int fd, const char *how)
{
    REAL(fdopen);
    if (is_for_writing(how)) refuse_fd("fdopen", fd);
    return real(fd, how);
}

int mkostemp(char *pattern, int flags)
{
    REAL(mkostemp);
    refuse_path("mkstemp", AT_FDCWD, pattern);
    return real(pattern, flags);
}

int mkostemp64(char *pattern, int flags)
{
    REAL(mkostemp64);
    refuse_path("mkstemp", AT_FDCWD, pattern);
    return real(pattern, flags);
}

int mkstemp(char *pattern) { return mkostemp(pattern, 0); }

int mkstemp64(char *pattern) { return mkostemp64(pattern, 0); }

char *mkdtemp(char *pattern)
{
    REAL(mkdtemp);
    refuse_path("mkdtemp", AT_FDCWD, pattern);
    return real(pattern);
}
