/* overlay/drop.h - why a packet was dropped: one table of reasons, one counter each. Never fatal. */
#pragma once
#include <stdint.h>

/*        name             text */
#define DROPS(X)                                                                                   \
    X(LENGTH, "wrong length for its type")                                                         \
    X(TYPE, "unknown type or kind")                                                                \
    X(MAC1, "knock without the overlay key")                                                       \
    X(VERSION, "another protocol version")                                                         \
    X(REPLAYED_HELLO, "hello seen before")                                                         \
    X(COOKIE, "under load, and no valid cookie")                                                   \
    X(NO_HANDSHAKE, "answer to a handshake that is not under way")                                 \
    X(HANDSHAKE, "handshake failed")                                                               \
    X(STOLEN_ID, "the keys do not make the id that was asked for")                                 \
    X(CERT, "certificate refused")                                                                 \
    X(UNCERTIFIED, "before both certificates were verified")                                       \
    X(NO_SESSION, "no session with this index")                                                    \
    X(TAG, "sealed bytes do not open")                                                             \
    X(REPLAYED, "counter seen before or too old")                                                  \
    X(MALFORMED, "the body does not parse")                                                        \
    X(UNASKED, "an answer to nothing that was asked, or by another way")                           \
    X(TTL, "time to live reached zero")                                                            \
    X(NO_ROUTE, "nobody nearer to the target is known")                                            \
    X(DUPLICATE, "routed frame seen before")                                                       \
    X(RETRIES, "no acknowledgement after all tries")                                               \
    X(RATE, "over a rate limit")                                                                   \
    X(FULL, "a bounded table or queue is full")                                                    \
    X(CHANNEL, "relay channel unknown")                                                            \
    X(SPOOFED, "inner source address is not the sender's")                                         \
    X(NOT_IP, "inner packet is not IP of our network")                                             \
    X(NO_MEMBER, "nobody holds the destination address")                                           \
    X(TOO_BIG, "inner packet does not fit the path")                                               \
    X(DENIED, "not allowed")                                                                       \
    X(NETWORK, "unknown virtual network")                                                          \
    X(TIMEOUT, "waited too long: for a path, or for its other parts")                              \
    X(EXHAUSTED, "counter at its hard stop")

enum drop {
#define X(name, text) DROP_##name,
    DROPS(X)
#undef X
        DROP_COUNT
};
const char *drop_name(enum drop d);
const char *drop_text(enum drop d);
