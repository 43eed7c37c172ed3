#include "daemon/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return -1;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@') to.sun_path[0] = 0; /* an abstract socket */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, size) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

void notify_send(int fd, const char *state)
{
    if (fd >= 0) (void)send(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}
