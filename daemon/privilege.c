#include "daemon/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT (1u << CAP_NET_ADMIN | 1u << CAP_NET_BIND_SERVICE)

static bool failed(struct fail *f, const char *what)
{
    return fail(f, FAIL_PERMISSION, "start it as root, or as a plain user with --no-tun",
                "cannot drop privileges: %s: %s", what, strerror(errno));
}

/* In the file first: asking the name services loads their modules, 360 KB that stay. NULL: not there. */
static const struct passwd *user_in_file(const char *name)
{
    const struct passwd *p = NULL;
    FILE *file = fopen("/etc/passwd", "re");
    while (file && (p = fgetpwent(file)) && strcmp(p->pw_name, name) != 0) {}
    if (file) (void)fclose(file);
    return p;
}

static bool find_user(const char *name, struct passwd *out, struct fail *f)
{
    const struct passwd *p = user_in_file(*name ? name : "ringlet");
    if (!p && !*name) p = user_in_file("nobody");
    if (!p) p = getpwnam(*name ? name : "nobody");
    if (!p)
        return fail(f, FAIL_CONFIG, "make it, or change `user` in ringlet.conf",
                    "there is no user %s", *name ? name : "nobody");
    *out = *p;
    return true;
}

/* The daemon may write its directory. What it wrote must not choose whom root becomes. */
static bool may_name(const struct state *s, const struct passwd *to, uid_t owner, struct fail *f)
{
    if (owner == 0 || to->pw_uid == owner) return true;
    fail(f, FAIL_CONFIG, "",
         "%s/" STATE_CONF " names user %s, and belongs to uid %lu: not believed", s->path,
         to->pw_name, (unsigned long)owner);
    return fail_hint(f, "if you wrote that, `chown root` it; else take `user` out of it");
}

/* What we had of the kept ones (a container may not give all), and nothing else. */
static bool keep_capabilities(struct fail *f)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0) return failed(f, "capget");
    data[0].permitted &= KEPT;
    data[0].effective = data[0].permitted;
    data[1].permitted = data[1].effective = 0;
    data[0].inheritable = data[1].inheritable = 0;
    return syscall(SYS_capset, &header, data) == 0 || failed(f, "capset");
}

static bool become(const struct passwd *user, struct fail *f)
{
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return failed(f, "keepcaps");
    if (setgroups(0, NULL) != 0) return failed(f, "setgroups");
    if (setgid(user->pw_gid) != 0) return failed(f, "setgid");
    if (setuid(user->pw_uid) != 0) return failed(f, "setuid");
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return failed(f, "keepcaps");
    return true;
}

bool privilege_drop(const struct state *s, const char *user, uid_t owner, struct fail *f)
{
    struct passwd to = {0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(f, "no_new_privs");
    if (geteuid() != 0) return true;
    if (!find_user(user, &to, f) || (*user && !may_name(s, &to, owner, f))) return false;
    if (!state_give(s, to.pw_uid, to.pw_gid, f))
        return false; /* root too: it will not override modes any more */
    if (to.pw_uid != 0 && !become(&to, f)) return false;
    return keep_capabilities(f);
}

bool privilege_known(const char *user, struct fail *f)
{
    struct passwd to;
    return find_user(user, &to, f);
}
