#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void names_and_texts(void **state)
{
    (void)state;
    assert_int_equal(OK, 0);
    assert_string_equal(err_name(OK), "OK");
    assert_string_equal(err_name(ERR_NOT_FOUND), "NOT_FOUND");
    assert_string_equal(err_text(ERR_NOT_FOUND), "not found");
    assert_string_equal(err_name(ERR_IO), "IO");
    assert_string_equal(err_name((enum err)ERR_COUNT), "UNKNOWN");
    assert_string_equal(err_text((enum err) - 1), "unknown error");
}

static void ensure_stops_at_once(void **state)
{
    (void)state;
    int both[2], status;
    char said[128] = "";
    assert_int_equal(pipe(both), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(both[1], STDERR_FILENO);
        ensure_failed("1 == 2", "here.c", 7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(read(both[0], said, sizeof said - 1) > 0);
    close(both[0]);
    close(both[1]);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_string_equal(said, "here.c:7: ensure(1 == 2) failed: this is a bug\n");
    ensure(2 == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_texts),
        cmocka_unit_test(ensure_stops_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
