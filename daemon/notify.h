/* daemon/notify.h - tells the service manager how we are (sd_notify's protocol: one datagram to NOTIFY_SOCKET). */
#pragma once

void notify_send(const char *state); /* "READY=1"; nothing happens if nobody asked */
