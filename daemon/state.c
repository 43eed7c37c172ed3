#include "daemon/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_PAUSE_MS 10u

static const char *whole(const struct state *s, const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%.800s", s->path, name);
    return out;
}

static bool failed(const struct state *s, const char *doing, const char *name, struct fail *f)
{
    int error = errno;
    char path[PATH_MAX];
    return fail_system(f, doing, whole(s, name, path), error);
}

/* --- opening --- */

bool state_default_path(char out[STATE_PATH_MAX], struct fail *f)
{
    const char *set = getenv("RINGLET_DIR"), *xdg = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    if (set && *set)
        snprintf(out, STATE_PATH_MAX, "%s", set);
    else if (geteuid() == 0)
        snprintf(out, STATE_PATH_MAX, "/var/lib/ringlet");
    else if (xdg && *xdg == '/')
        snprintf(out, STATE_PATH_MAX, "%s/ringlet", xdg);
    else if (home && *home == '/')
        snprintf(out, STATE_PATH_MAX, "%s/.local/state/ringlet", home);
    else
        return fail(f, FAIL_USAGE, "give one with -d",
                    "no state directory: neither RINGLET_DIR nor HOME is set");
    return true;
}

/* mkdir -p; the last part closed to others */
static bool make_all(const char *path)
{
    char part[STATE_PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            return false;
        *p = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

bool state_open(struct state *s, const char *path, bool make, struct fail *f)
{
    *s = (struct state){.fd = -1, .lock = -1};
    if (strlen(path) >= sizeof s->path || !*path)
        return fail(f, FAIL_USAGE, "give another with -d",
                    "the state directory's name is empty or too long");
    snprintf(s->path, sizeof s->path, "%s", path);
    for (size_t n = strlen(s->path); n > 1 && s->path[n - 1] == '/'; n--) s->path[n - 1] = 0;
    if (make && !make_all(s->path)) return fail_system(f, "create", s->path, errno);
    s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->fd >= 0) return true;
    if (errno == ENOENT)
        return fail(f, FAIL_EMPTY,
                    "`ringlet create NAME` or `ringlet join TOKEN` makes it, -d names another",
                    "there is no state directory %s", s->path);
    return fail_system(f, "open", s->path, errno);
}

void state_close(struct state *s)
{
    if (s->lock >= 0) close(s->lock);
    if (s->fd >= 0) close(s->fd);
    s->lock = s->fd = -1;
}

bool state_lock(struct state *s, struct fail *f)
{
    char holder[24] = "";
    int fd = openat(s->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return failed(s, "open", "lock", f);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t got = read(fd, holder, sizeof holder - 1);
        long pid = got > 0 ? strtol(holder, NULL, 10) : 0;
        close(fd);
        return fail(f, FAIL_IN_USE, "stop that one first, or choose another directory with -d",
                    "another ringlet (process %ld) is using %s", pid, s->path);
    }
    int len = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    /* only a courtesy to whoever finds it held: a full disk must not matter here */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, holder, (size_t)len, 0) < 0) errno = 0;
    s->lock = fd;
    return true;
}

bool state_lock_within(struct state *s, unsigned ms, struct fail *f)
{
    for (unsigned waited = 0;; waited += LOCK_PAUSE_MS) {
        if (state_lock(s, f)) return true;
        if (strcmp(f->code, fail_name(FAIL_IN_USE)) != 0 || waited >= ms) return false;
        (void)usleep(LOCK_PAUSE_MS * 1000u);
    }
}

bool state_locked(const char *path)
{
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/lock", path);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return false;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

/* --- reading and writing --- */

static ssize_t read_all(int fd, char *out, size_t max)
{
    size_t have = 0;
    while (have < max) {
        ssize_t got = read(fd, out + have, max - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

enum state_found state_read(const struct state *s, const char *name, char *out, size_t max,
                            size_t *len, struct fail *f)
{
    uid_t owner;
    return state_read_of(s, name, out, max, len, &owner, f);
}

enum state_found state_read_of(const struct state *s, const char *name, char *out, size_t max,
                               size_t *len, uid_t *owner, struct fail *f)
{
    char path[PATH_MAX];
    struct stat st;
    *owner = geteuid();
    int fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return STATE_ABSENT;
    if (fd < 0) return failed(s, "open", name, f), STATE_FAILED;
    ssize_t got = fstat(fd, &st) == 0 ? read_all(fd, out, max) : -1;
    if (got < 0) {
        failed(s, "read", name, f);
        close(fd);
        return STATE_FAILED;
    }
    close(fd);
    *owner = st.st_uid;
    if ((size_t)got == max) {
        fail(f, FAIL_DAMAGED, "put it aside or restore it", "%s is longer than %zu bytes",
             whole(s, name, path), max - 1);
        return STATE_FAILED;
    }
    out[got] = 0;
    *len = (size_t)got;
    return STATE_READ;
}

static bool write_all(int fd, const char *p, size_t len)
{
    while (len) {
        ssize_t put = write(fd, p, len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        p += put, len -= (size_t)put;
    }
    return true;
}

/* networks/lab/certificate -> networks/lab/.certificate.tmp */
static void beside(const char *name, char out[PATH_MAX])
{
    const char *slash = strrchr(name, '/');
    int folder = slash ? (int)(slash - name) + 1 : 0;
    snprintf(out, PATH_MAX, "%.*s.%s.tmp", folder, name, name + folder);
}

static void sync_folder(const struct state *s, const char *name)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", name);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = 0;
    int fd = openat(s->fd, slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd); /* some file systems refuse it for directories; the rename itself stands */
    close(fd);
}

bool state_write(const struct state *s, const char *name, const void *bytes, size_t len,
                 mode_t mode, struct fail *f)
{
    return state_write_of(s, name, bytes, len, mode, geteuid(), f);
}

bool state_write_of(const struct state *s, const char *name, const void *bytes, size_t len,
                    mode_t mode, uid_t owner, struct fail *f)
{
    char temp[PATH_MAX];
    beside(name, temp);
    (void)unlinkat(s->fd, temp, 0); /* left by a crash; may have been made with another owner */
    int fd = openat(s->fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return failed(s, "write", name, f);
    /* only root can give a file away; who cannot has made it its own, and that is right */
    bool good = geteuid() != 0 || owner == 0 || fchown(fd, owner, (gid_t)-1) == 0;
    good = good && fchmod(fd, mode) == 0 && write_all(fd, bytes, len) && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && good) good = false, error = errno;
    if (good && renameat(s->fd, temp, s->fd, name) == 0) {
        sync_folder(s, name);
        return true;
    }
    if (good) error = errno;
    (void)unlinkat(s->fd, temp, 0);
    errno = error;
    return failed(s, "write", name, f);
}

bool state_exists(const struct state *s, const char *name)
{
    return faccessat(s->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool state_mkdir(const struct state *s, const char *name, struct fail *f)
{
    if (mkdirat(s->fd, name, 0700) == 0 || errno == EEXIST) return true;
    return failed(s, "create", name, f);
}

bool state_remove(const struct state *s, const char *name, struct fail *f)
{
    if (unlinkat(s->fd, name, 0) == 0 || errno == ENOENT || errno == ENOTDIR) return true;
    if ((errno == EISDIR || errno == EPERM) && unlinkat(s->fd, name, AT_REMOVEDIR) == 0)
        return true;
    return failed(s, "remove", name, f);
}

bool state_rename(const struct state *s, const char *from, const char *to, struct fail *f)
{
    if (renameat(s->fd, from, s->fd, to) != 0) return failed(s, "rename", from, f);
    sync_folder(s, to);
    return true;
}

/* --- folders --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct name_text *)a)->s, ((const struct name_text *)b)->s);
}

uint32_t state_labels(const struct state *s, const char *folder, struct name_text *out,
                      uint32_t max)
{
    int fd = openat(s->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    uint32_t count = 0;
    if (!d && fd >= 0) close(fd);
    for (struct dirent *e; d && count < max && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (!name_valid(e->d_name, len)) continue;
        out[count] = (struct name_text){0};
        memcpy(out[count++].s, e->d_name, len);
    }
    if (d) closedir(d);
    if (count) qsort(out, count, sizeof *out, by_name);
    return count;
}

/* Regular files with one name only: a hard link somebody planted is not given away. */
static bool give(int fd, const char *name, uid_t uid, gid_t gid)
{
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
    if (st.st_uid == uid && st.st_gid == gid) return true;
    if (!S_ISDIR(st.st_mode) && !S_ISSOCK(st.st_mode) && !(S_ISREG(st.st_mode) && st.st_nlink == 1))
        return true;
    return fchownat(fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The configuration names the user that root becomes: it stays whose it is, and becomes readable for the group. */
static bool lend(int fd, const char *name, gid_t gid)
{
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_mode & S_IROTH) return true;
    return fchownat(fd, name, (uid_t)-1, gid, AT_SYMLINK_NOFOLLOW) == 0 &&
           fchmodat(fd, name, (st.st_mode & 07777) | S_IRGRP, 0) == 0;
}

static bool give_folder(int at, const char *folder, uid_t uid, gid_t gid, int depth)
{
    bool top = strcmp(folder, ".") == 0;
    int fd = openat(at, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    DIR *d = fdopendir(fd);
    bool good = d != NULL;
    for (struct dirent *e; good && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        bool conf = top && strcmp(e->d_name, STATE_CONF) == 0;
        good = conf ? lend(fd, e->d_name, gid) : give(fd, e->d_name, uid, gid);
        if (good && depth > 0 && e->d_type == DT_DIR)
            good = give_folder(fd, e->d_name, uid, gid, depth - 1);
    }
    int error = errno;
    if (d)
        closedir(d);
    else
        close(fd);
    errno = error;
    return good;
}

bool state_give(const struct state *s, uid_t uid, gid_t gid, struct fail *f)
{
    if (give_folder(s->fd, ".", uid, gid, 2) && fchown(s->fd, uid, gid) == 0) return true;
    return failed(s, "change the owner of", ".", f);
}
