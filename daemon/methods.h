/* daemon/methods.h - the control methods; each ends its call with call_result or call_failed, now or later. */
#pragma once
#include "daemon/control.h"

/* methods_view.c: what is known, at once */
void method_status(struct call *c);
void method_peers(struct call *c);
void method_members(struct call *c);
void method_why(struct call *c);
/* methods_ask.c: questions to others */
void method_ping(struct call *c);
void method_trace(struct call *c);
void method_lookup(struct call *c);
/* methods_talk.c: text to others */
void method_send(struct call *c);
/* methods_link.c: pinned links */
void method_link_add(struct call *c);
void method_link_drop(struct call *c);
void method_link_list(struct call *c);
/* methods_admin.c: the daemon itself */
void method_log(struct call *c);
void method_reload(struct call *c);
void method_stop(struct call *c);
void method_watch(struct call *c);
void method_config_check(struct call *c);
/* methods_invites.c */
void method_invites(struct call *c);
/* methods_deed.c: deeds.h, told to the node */
void method_create(struct call *c);
void method_join(struct call *c);
void method_invite(struct call *c);
void method_leave(struct call *c);
