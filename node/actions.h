/* node/actions.h - filling the driver's list of actions: bytes into its arena, entries into its list.
 *
 * The struct is in node/node.h; the driver owns the memory and empties it (actions_clear) before each step. A sender
 * takes room with actions_space, writes there, and names the bytes in actions_send; bytes that lie in the event's own
 * buffer may be named as well. Whoever works through a batch asks actions_room first and stops when there is none.
 *
 * Units: bytes. Owns: nothing. Errors: false or NULL when full; an action that found no room is counted in `lost`.
 * Cost: a few stores; the reply is copied into the arena. */
#pragma once
#include "node/node.h"

/* A train: what Linux takes in one UDP_SEGMENT call (UDP_MAX_SEGMENTS before 6.9; 65,507 bytes). */
#define TRAIN_SEGMENTS 64u
#define TRAIN_BYTES    65000u

/* Is there room for `count` actions and `len` bytes in the arena? */
bool actions_room(const struct actions *a, uint32_t len, uint32_t count);
/* `len` bytes of the arena, not aligned; NULL: full (nothing is counted yet). */
uint8_t *actions_space(struct actions *a, uint32_t len);
/* Give back the last `len` bytes taken. */
void actions_unspace(struct actions *a, uint32_t len);

bool actions_send(struct actions *a, const struct endpoint *to, const uint8_t *bytes, uint32_t len,
                  uint16_t segment);
/* The same for one datagram, which joins the train of the last action when it continues it: same endpoint, the bytes
 * directly behind it, none longer than its first and only the last shorter (UDP_SEGMENT). */
bool actions_train(struct actions *a, const struct endpoint *to, const uint8_t *bytes,
                   uint32_t len);
bool actions_tun(struct actions *a, uint8_t number, const uint8_t *bytes, uint32_t len,
                 bool csum_open);
bool actions_reply(struct actions *a, const struct reply *reply); /* copied into the arena */
bool actions_notice(struct actions *a, const struct notice *notice);
bool actions_plain(struct actions *a, enum action_type type); /* ACT_REMEMBER, ACT_RESOLVE */
bool actions_close(struct actions *a, const struct endpoint *to);
