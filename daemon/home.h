/* daemon/home.h - what a state directory holds, decoded: identity, overlay, networks, authorities, remembered peers.
 *
 *     identity                     secret key pairs of the node           overlay     overlay key, authority, founder
 *     networks/NAME/certificate    this node's chain                      peers       remembered peers, observed endpoints, pinned links
 *     networks/NAME/invite         where the invite has several slots: its key, with which this node takes another if its own is held
 *     networks/NAME/refused        another node holds our slot: the invite's serial; `join` with another token then replaces it
 *     networks/NAME/authority      seeds that sign for the network; in the overlay's first network also the overlay's
 *
 * A directory without `overlay` holds nothing yet: it is written last by create and join.
 * Errors: a struct fail that names the damaged file. Secrets: wipe what you read. */
#pragma once
#include "daemon/state.h"
#include "node/node.h"

#define PEERS_REMEMBERED_MAX 128
struct home_overlay {
    struct overlay_key key;
    uint8_t authority_pk[32];
    bool founder; /* created here */
};
struct home_network {
    struct name_text name;
    uint8_t chain[CHAIN_BYTES];
    size_t chain_len;
    struct membership is;
    bool has_authority;
};
struct home_authority {
    uint8_t network_seed[32], network_pk[32];
    bool has_overlay;
    uint8_t overlay_seed[32], overlay_pk[32];
};
struct home_peers {
    struct remembered list[PEERS_REMEMBERED_MAX];
    uint32_t count;
    struct endpoint observed[OBSERVED_MAX];
    uint32_t observed_count;
    struct id pinned[NODE_PINNED_MAX];
    uint32_t pinned_count;
};

enum state_found home_read_identity(const struct state *s, struct identity *out, struct fail *f);
bool home_write_identity(const struct state *s, const struct identity *i, struct fail *f);
enum state_found home_read_overlay(const struct state *s, struct home_overlay *out, struct fail *f);
bool home_write_overlay(const struct state *s, const struct home_overlay *o, struct fail *f);
/* Verifies the chain for `id`; an expired one is FAIL_EXPIRED. */
enum state_found home_read_network(const struct state *s, const struct home_overlay *o,
                                   const struct id *id, const char *name, struct home_network *out,
                                   struct fail *f);
bool home_write_chain(const struct state *s, const char *name, const uint8_t *chain, size_t len,
                      struct fail *f);
/* The Ed25519 seed of the invite with which this node joined: secret. */
enum state_found home_read_invite(const struct state *s, const char *name, uint8_t seed[32],
                                  struct fail *f);
bool home_write_invite(const struct state *s, const char *name, const uint8_t seed[32],
                       struct fail *f);
/* Who holds the slot is for people who look. */
bool home_write_refused(const struct state *s, const char *name, const uint8_t serial[16],
                        const struct id *holder, struct fail *f);
bool home_forget_refused(const struct state *s, const char *name, struct fail *f);
/* Is it this invite's slot that was refused? */
bool home_is_refused(const struct state *s, const char *name, const uint8_t serial[16]);
enum state_found home_read_authority(const struct state *s, const char *name,
                                     struct home_authority *out, struct fail *f);
bool home_write_authority(const struct state *s, const char *name, const struct home_authority *a,
                          struct fail *f);
/* An authority file here that holds the seed of this overlay authority; networks that were left count. */
enum state_found home_find_overlay_seed(const struct state *s, const uint8_t authority_pk[32],
                                        struct home_authority *out, struct fail *f);
/* Names of the networks this node is a member of: folders with a certificate. */
uint32_t home_networks(const struct state *s, struct name_text out[NETWORKS_MAX]);

/* A damaged line is left out, named in *warning (f->message; code set), and the file is kept aside as peers.damaged. */
enum state_found home_read_peers(const struct state *s, struct home_peers *out, struct fail *f);
size_t home_print_peers(const struct home_peers *p, char *out, size_t max);
bool home_write_peers(const struct state *s, const char *text, size_t len, struct fail *f);
/* Whether `text` is well-formed, and its content; *line is the first bad one. Pure. */
bool home_parse_peers(const char *text, struct home_peers *out, unsigned *line);
