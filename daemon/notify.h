/* daemon/notify.h - tells the service manager how we are (sd_notify's protocol: datagrams to NOTIFY_SOCKET).
 *
 * Opened before privileges are dropped: the socket may lie where the later user cannot look.
 * Errors: none; nothing happens if nobody asked. */
#pragma once

int notify_open(void);                       /* -1: nobody asked, or nobody listens */
void notify_send(int fd, const char *state); /* "READY=1" */
