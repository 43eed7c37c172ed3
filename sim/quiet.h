/* sim/quiet.h - keep-alives that must succeed are charged, not queued: the link monitor of `--queue quiet`.
 *
 * The simulator knows both ends and what is between them. It vouches (overlay/monitor.h) for a PING and its PONG, and for the rounds that
 * follow, if both nodes live, no partition parts them, the NAT boxes on the way hold both mappings and go on doing so from round to
 * round, and neither datagram is due to be lost: that is drawn for each round of a link, so the first that is lost ends them. That one
 * is sent, and lost.
 * Rounds count as sent and arrived when they have passed and somebody looks: quiet_settle, or the nodes. A node that is killed and a
 * partition that begins or ends revoke what was vouched for.
 *
 * Owns: nothing. Errors: none. Cost: two nodes touched once in some minutes, in place of four events in each round. */
#pragma once
#include "sim/world.h"

void quiet_init(struct world *w);   /* lends the monitor to all nodes that will be made */
void quiet_settle(struct world *w); /* counters are those of now */
void quiet_gone(struct world *w, uint32_t node); /* before a node is killed */
void quiet_revoke(struct world *w);              /* who hears whom has just changed: of all nodes */
/* With those of rounds that have passed and are not counted yet, at no cost. */
void quiet_sent(struct world *w, uint64_t *bytes, uint64_t *datagrams);
/* Is this datagram to be lost, as was drawn when it was not vouched for? Asked once for each that leaves. */
bool quiet_loses(struct world *w, uint32_t ip, uint16_t port, bool *answer);
/* A datagram to there, sent in the step that comes or goes on, is lost; answer: arrives, but the answer to it is lost. */
void quiet_lose(struct world *w, uint32_t ip, uint16_t port, bool answer);
