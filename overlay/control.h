/* overlay/control.h - operations of CONTROL frames: MessagePack arrays [op, ...] inside the seal, or as the body of ROUTED.
 *
 * Places after those listed are ignored, so that a newer version may append. */
#pragma once

// clang-format off
/*        name         op   places after op                             where     what it is for */
#define CONTROLS(X)                                                                                \
    X(NEAR, 1, "ask, [id, endpoint(19)...], digest, tags, far", "link", "whom I have around you")                  \
    X(CANDIDATES, 2, "ask, mapping, candidates, [id...]", "link",                                  \
      "where I may be reached; my direct peers")                                                   \
    X(RELAY_OPEN, 3, "target", "link", "forward between me and target")                            \
    X(RELAY_OK, 4, "target, channel", "link", "RELAYED on this channel goes to target")            \
    X(RELAY_NO, 5, "target", "link", "no: target unknown here, or quota; or its link has gone")                          \
    X(RELAY_IN, 6, "source, channel", "link", "source opened a channel to you through me")         \
    X(CLOSE, 7, "reason", "link", "good-bye; the link ends")                                       \
    X(DEAD, 8, "id", "link", "this neighbour of ours does not answer me; verify (heeded from a near one)")                  \
    X(FIND, 10, "request, via, ttl [, endpoint(19), key(32)]", "routed", "who is nearest to dst?")                           \
    X(FOUND, 11, "request, id, hops, endpoint(19)", "routed", "I am")                                            \
    X(HOP, 12, "request, hop, id", "routed", "a traced frame passed here")                         \
    X(GET, 13, "request, via, key", "routed", "the record under key")                              \
    X(GOT, 14, "request, result, record", "routed", "answer to GET and PUT")                       \
    X(PUT, 15, "request, via, record", "routed", "keep this record")                               \
    X(STORE, 16, "record, left_s", "routed", "a copy for a replica; it lives so many seconds more") \
    X(MESSAGE, 17, "number, text", "link", "a line of text for whoever watches there")             \
    X(TAKEN, 18, "number, result", "link", "answer to MESSAGE")                                    \
    X(BROADCAST, 19, "number, at, proof, left, arc, text", "link",                                 \
      "text for everybody in this arc of the ring; pass it on")                                    \
    X(COUNT, 20, "origin, number", "link", "how far is that broadcast?")                           \
    X(COUNTED, 21, "origin, number, done, reached, lost", "link", "so far; answer to both") \
    X(LINKS, 22, "prefixes and round trips", "link", "whom I reach directly, and how far away they are") \
    X(MET, 23, "id, endpoint(19)", "link", "I met this member of a ring that was parted from ours; ask it for your place")
// clang-format on
enum control_op {
#define X(name, op, places, where, what) CONTROL_##name = op,
    CONTROLS(X)
#undef X
};
#define CONTROL_MAX 1100 /* bytes of a CONTROL frame */
