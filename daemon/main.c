/* ringlet: daemon and command line in one; daemon/cli.h. */
#include "base/crypto.h"
#include "daemon/cli.h"
#include <signal.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (!crypto_init()) {
        fputs("ringlet: libsodium does not start: reinstall it\n", stderr);
        return 1;
    }
    return cli_main(argc, argv);
}
