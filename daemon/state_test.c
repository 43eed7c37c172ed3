#include "daemon/state.h"

#include "daemon/home.h"
#include "daemon/keyfile.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
    char dir[64];
    struct state s;
    struct fail f;
};

static int open_scene(void **state)
{
    struct scene *x = calloc(1, sizeof *x);
    const char *tmp = getenv("TMPDIR");
    snprintf(x->dir, sizeof x->dir, "%.40s/stateXXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(x->dir)) return -1;
    *state = x;
    return state_open(&x->s, x->dir, false, &x->f) ? 0 : -1;
}

static int close_scene(void **state)
{
    struct scene *x = *state;
    char command[128];
    state_close(&x->s);
    snprintf(command, sizeof command, "rm -rf '%s'", x->dir);
    int result = system(command);
    free(x);
    return result;
}

static void files_are_replaced_whole(void **state)
{
    struct scene *x = *state;
    char text[100];
    size_t len;
    struct stat st;
    assert_int_equal(state_read(&x->s, "a", text, sizeof text, &len, &x->f), STATE_ABSENT);
    assert_true(state_write(&x->s, "a", "one", 3, 0600, &x->f));
    assert_true(state_write(&x->s, "a", "three", 5, 0600, &x->f));
    assert_int_equal(state_read(&x->s, "a", text, sizeof text, &len, &x->f), STATE_READ);
    assert_string_equal(text, "three");
    assert_int_equal(fstatat(x->s.fd, "a", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(state_exists(&x->s, ".a.tmp"));
    assert_int_equal(state_read(&x->s, "a", text, 5, &len, &x->f),
                     STATE_FAILED); /* longer than expected */
    assert_string_equal(x->f.code, "damaged");
}

/* The old file stays whole when the new one cannot be written, and no rest is left beside it. */
static void a_full_disk_changes_nothing(void **state)
{
    struct scene *x = *state;
    struct rlimit old, small = {10, 10};
    char big[4096], text[100];
    size_t len;
    memset(big, 'x', sizeof big);
    assert_true(state_write(&x->s, "a", "kept", 4, 0600, &x->f));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool written = state_write(&x->s, "a", big, sizeof big, 0600, &x->f);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_false(written);
    assert_string_equal(x->f.code, "io");
    assert_int_equal(x->f.status, 1);
    assert_non_null(strstr(x->f.message, "/a: "));
    assert_false(state_exists(&x->s, ".a.tmp"));
    assert_int_equal(state_read(&x->s, "a", text, sizeof text, &len, &x->f), STATE_READ);
    assert_string_equal(text, "kept");
}

static void a_crash_leaves_no_trap(void **state)
{
    struct scene *x = *state;
    char text[100];
    size_t len;
    assert_true(state_write(&x->s, ".a.tmp", "half", 4, 0600, &x->f));
    assert_true(state_write(&x->s, "a", "whole", 5, 0600, &x->f));
    assert_int_equal(state_read(&x->s, "a", text, sizeof text, &len, &x->f), STATE_READ);
    assert_string_equal(text, "whole");
}

static void two_users_of_one_directory_are_refused(void **state)
{
    struct scene *x = *state;
    struct state other;
    char pid[40];
    assert_true(state_lock(&x->s, &x->f));
    assert_true(state_open(&other, x->dir, false, &x->f));
    assert_false(state_lock(&other, &x->f));
    assert_string_equal(x->f.code, "in-use");
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(x->f.message, pid));
    state_close(&x->s);
    assert_true(state_lock(&other, &x->f)); /* the kernel lets go with the descriptor */
    state_close(&other);
}

static void a_command_at_its_change_is_waited_for(void **state)
{
    struct scene *x = *state;
    struct state other;
    int ready[2], status;
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        bool held = state_lock(&x->s, &x->f);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        usleep(200000);
        _exit(held ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(state_open(&other, x->dir, false, &x->f));
    assert_false(state_lock_within(&other, 20, &x->f)); /* not for ever */
    assert_string_equal(x->f.code, "in-use");
    assert_true(state_lock_within(&other, 10000, &x->f));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    state_close(&other);
    close(ready[0]);
    close(ready[1]);
}

static void the_directory_may_move(void **state)
{
    struct scene *x = *state;
    char moved[80];
    snprintf(moved, sizeof moved, "%s.moved", x->dir);
    assert_int_equal(rename(x->dir, moved), 0);
    assert_true(state_write(&x->s, "a", "b", 1, 0600, &x->f));
    assert_int_equal(rename(moved, x->dir), 0);
    assert_true(state_exists(&x->s, "a"));
}

static void labels_are_names_in_order(void **state)
{
    struct scene *x = *state;
    struct name_text names[4];
    assert_int_equal(state_labels(&x->s, "networks", names, 4), 0);
    assert_true(state_mkdir(&x->s, "networks", &x->f));
    assert_true(state_mkdir(&x->s, "networks/zoo", &x->f));
    assert_true(state_mkdir(&x->s, "networks/lab", &x->f));
    assert_true(state_mkdir(&x->s, "networks/Not-One", &x->f));
    assert_int_equal(state_labels(&x->s, "networks", names, 4), 2);
    assert_string_equal(names[0].s, "lab");
    assert_string_equal(names[1].s, "zoo");
    assert_true(state_remove(&x->s, "networks/zoo", &x->f));
    assert_true(state_remove(&x->s, "networks/never", &x->f));
    assert_false(state_remove(&x->s, "networks", &x->f)); /* not empty */
}

static void a_missing_directory_says_what_to_do(void **state)
{
    struct scene *x = *state;
    struct state s;
    char path[128];
    snprintf(path, sizeof path, "%s/deep/er", x->dir);
    assert_false(state_open(&s, path, false, &x->f));
    assert_string_equal(x->f.code, "empty");
    assert_true(state_open(&s, path, true, &x->f));
    state_close(&s);
}

static uid_t owner_of(const struct scene *x, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(x->s.fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_uid;
}

/* All is given to the daemon's user but the file that names the user; who replaces it as root does not make it root's. */
static void the_configuration_is_not_given_away(void **state)
{
    const uid_t other = 54321;
    struct scene *x = *state;
    struct stat st;
    char text[100];
    size_t len;
    uid_t owner;
    if (geteuid() != 0) skip();
    assert_true(state_write(&x->s, STATE_CONF, "a", 1, 0600, &x->f));
    assert_true(state_write(&x->s, "identity", "b", 1, 0600, &x->f));
    assert_true(state_mkdir(&x->s, "networks", &x->f));
    assert_true(state_write(&x->s, "networks/" STATE_CONF, "c", 1, 0600, &x->f));
    assert_true(state_give(&x->s, other, other, &x->f));
    assert_int_equal(owner_of(x, "."), other);
    assert_int_equal(owner_of(x, "identity"), other);
    assert_int_equal(owner_of(x, "networks/" STATE_CONF), other);
    assert_int_equal(owner_of(x, STATE_CONF), 0);
    assert_int_equal(fstatat(x->s.fd, STATE_CONF, &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0640); /* the daemon can still read it */
    assert_int_equal(st.st_gid, other);
    /* the daemon has written one of its own; then root adds to it */
    assert_int_equal(fchownat(x->s.fd, STATE_CONF, other, other, 0), 0);
    assert_int_equal(state_read_of(&x->s, STATE_CONF, text, sizeof text, &len, &owner, &x->f),
                     STATE_READ);
    assert_int_equal(owner, other);
    assert_true(state_write_of(&x->s, STATE_CONF, "ab", 2, 0644, owner, &x->f));
    assert_int_equal(owner_of(x, STATE_CONF), other);
    assert_true(state_give(&x->s, 0, 0, &x->f));
    assert_int_equal(owner_of(x, STATE_CONF), other);
}

/* --- key files --- */

static void key_files_come_back_and_damage_shows(void **state)
{
    struct keyfile k;
    uint8_t bytes[4] = {1, 2, 0xfe, 0xff}, back[4];
    char name[16];
    uint64_t number;
    (void)state;
    keyfile_begin(&k, "test-1");
    keyfile_put(&k, "name", "lab");
    keyfile_put_bytes(&k, "key", bytes, sizeof bytes);
    keyfile_put_number(&k, "epoch", 7);
    assert_true(keyfile_end(&k));
    assert_true(keyfile_check(&k, "test-1"));
    assert_false(keyfile_check(&k, "test-2"));
    assert_true(keyfile_get(&k, "name", name, sizeof name));
    assert_string_equal(name, "lab");
    assert_int_equal(keyfile_get_bytes(&k, "key", back, 4, 4), 4);
    assert_memory_equal(back, bytes, 4);
    assert_int_equal(keyfile_get_bytes(&k, "key", back, 1, 3), 0);
    assert_true(keyfile_get_number(&k, "epoch", &number) && number == 7);
    assert_false(keyfile_get(&k, "absent", name, sizeof name));
    struct keyfile whole = k;
    for (size_t i = 0; i < whole.len; i++) { /* any one changed byte, any cut */
        k = whole;
        k.text[i] ^= 1;
        assert_false(keyfile_check(&k, "test-1"));
        k = whole;
        k.text[k.len = i] = 0;
        assert_false(keyfile_check(&k, "test-1"));
    }
}

static void peers_files_name_the_bad_line(void **state)
{
    struct home_peers p, q;
    char text[4096];
    unsigned line;
    (void)state;
    memset(&p, 0, sizeof p);
    p.count = 1;
    p.list[0].id.b[0] = 9;
    assert_true(endpoint_parse("203.0.113.5:7464", &p.list[0].at));
    p.observed_count = 1;
    assert_true(endpoint_parse("[2001:db8::1]:7", &p.observed[0]));
    p.pinned_count = 2;
    p.pinned[0].b[0] = 7;
    p.pinned[1].b[19] = 1;
    size_t len = home_print_peers(&p, text, sizeof text);
    assert_true(len > 0);
    assert_true(home_parse_peers(text, &q, &line));
    assert_memory_equal(&p, &q, sizeof p);
    strcat(text, "peer nonsense 1.2.3.4:5\nobserved 1.2.3.4:5\n");
    assert_false(home_parse_peers(text, &q, &line));
    assert_int_equal(line, 7);
    assert_int_equal(q.observed_count, 2); /* the good ones are used */
    assert_false(home_parse_peers("ringlet-peers-1\npinned nobody\n", &q, &line));
    assert_int_equal(line, 2);
    assert_false(home_parse_peers("", &q, &line));
    assert_false(home_parse_peers("something else\n", &q, &line));
}

static void damaged_files_are_named_and_kept(void **state)
{
    struct scene *x = *state;
    struct identity i;
    struct home_overlay o;
    struct home_peers p;
    assert_true(state_write(&x->s, "identity", "rubbish\n", 8, 0600, &x->f));
    assert_int_equal(home_read_identity(&x->s, &i, &x->f), STATE_FAILED);
    assert_string_equal(x->f.code, "damaged");
    assert_non_null(strstr(x->f.message, "/identity is damaged"));
    assert_true(state_exists(&x->s, "identity"));
    assert_true(state_write(&x->s, "overlay", "ringlet-overlay-1\n", 18, 0600, &x->f));
    assert_int_equal(home_read_overlay(&x->s, &o, &x->f), STATE_FAILED);
    assert_true(state_write(&x->s, "peers", "ringlet-peers-1\npeer x\n", 23, 0600, &x->f));
    assert_int_equal(home_read_peers(&x->s, &p, &x->f), STATE_FAILED);
    assert_non_null(strstr(x->f.message, "/peers:2 is damaged"));
    assert_true(state_exists(&x->s, "peers.damaged"));
    assert_int_equal(home_read_peers(&x->s, &p, &x->f), STATE_ABSENT);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        TEST(files_are_replaced_whole),
        TEST(a_full_disk_changes_nothing),
        TEST(a_crash_leaves_no_trap),
        TEST(two_users_of_one_directory_are_refused),
        TEST(a_command_at_its_change_is_waited_for),
        TEST(the_directory_may_move),
        TEST(labels_are_names_in_order),
        TEST(a_missing_directory_says_what_to_do),
        TEST(the_configuration_is_not_given_away),
        cmocka_unit_test(key_files_come_back_and_damage_shows),
        cmocka_unit_test(peers_files_name_the_bad_line),
        TEST(damaged_files_are_named_and_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
