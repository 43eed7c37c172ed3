/* overlay/cert.h - certificates: who may be on this overlay, as what, until when.
 *
 * A chain is one to CHAIN_MAX certificates, root first, each signed by the key that the one before it certifies;
 * the first by the overlay's authority. Kinds: NETWORK (certifies a network's authority key), INVITE (delegates issuing
 * of `uses` node certificates of that network to a throw-away key), NODE (binds an id to network, name, addresses, groups).
 * Allowed shapes: NETWORK, NODE | NETWORK, INVITE, NODE. A child never has more than its parent: nothing
 * outlives the network's certificate, groups are a subset of the invite's, the address lies inside the range,
 * slot < uses; name and fixed address are the invite's where it names them, and without an address in the invite
 * its nodes have none either (they lease one). An invite's expiry bounds when a node's certificate begins, not
 * when it ends (docs/decisions/0005-invite-expiry.md).
 *
 * Form: MessagePack array [body bin, signature bin(64)] per certificate; the chain is an array of those. The body is an
 * array as in cert.c. Verified over the bytes received, never re-encoded. Calendar seconds (UTC since 1970), CERT_TOLERANCE_S
 * of tolerance on both ends.
 *
 * Units: *_s are calendar seconds. Owns: nothing, spans borrow the input. Errors: ERR_MALFORMED, ERR_CRYPTO
 * (signature; another overlay's chain too), ERR_EXPIRED (or not begun), ERR_DENIED (more than the parent allows, wrong
 * shape, wrong id). Outputs are untouched after an error. Cost: one Ed25519 verification a certificate; chain at most CHAIN_BYTES. */
#pragma once
#include "base/crypto.h"
#include "base/err.h"
#include "base/pack.h"
#include "overlay/id.h"

#define CHAIN_MAX        3
#define CHAIN_BYTES      1000u /* fits HELLO3 (1200) and CERT */
#define CERT_TOLERANCE_S 86400
#define CERT_GROUPS_MAX  8
#define CERT_NAME_MAX    63 /* a DNS label: a-z 0-9 and '-', not at the ends */

enum cert_kind { CERT_NETWORK = 1, CERT_INVITE = 2, CERT_NODE = 3 };
struct name_text {
    char s[CERT_NAME_MAX + 1];
};
struct range4 {
    uint32_t net;   /* host order, host bits zero */
    uint8_t prefix; /* 0: none */
};
struct cert { /* one, decoded; unused fields are zero */
    uint8_t kind;
    uint8_t key[32];    /* NETWORK, INVITE: the certified Ed25519 key */
    uint8_t serial[16]; /* random; the invite's serial is what revocation and slots name */
    uint64_t not_before_s, expires_s;
    struct name_text
        name; /* NETWORK: of the network. INVITE, NODE: host name, may be empty in an invite */
    struct range4 range; /* NETWORK */
    uint8_t mode;        /* NETWORK: 3 = l3, 2 = l2 */
    uint32_t ipv4;       /* INVITE, NODE: fixed address, 0 none */
    uint32_t uses;       /* INVITE */
    uint32_t slot;       /* NODE under an invite */
    struct id id;        /* NODE */
    struct name_text groups[CERT_GROUPS_MAX];
    uint8_t group_count;
};
/* What a verified chain says. */
struct membership {
    uint8_t network_key[32]; /* the network's identity: its authority key */
    struct name_text network, host;
    struct range4 range;
    uint8_t mode;
    struct id id;
    uint32_t ipv4;      /* fixed by the certificate, 0: none */
    uint8_t invite[16]; /* serial of the invite, zero if issued by the network's authority itself */
    uint32_t slot, uses; /* uses 0: no invite */
    uint64_t expires_s;  /* of the last certificate */
    struct name_text groups[CERT_GROUPS_MAX];
    uint8_t group_count;
};
/* Sign one certificate: writes [body, signature] into out. 0: does not fit. */
size_t cert_sign(uint8_t *out, size_t max, const struct crypto *c, const struct cert *body,
                 const uint8_t issuer_seed[32], const uint8_t issuer_pk[32]);
/* Decode one [body, signature] without checking the signature. */
MUST_CHECK enum err cert_decode(struct span one, struct cert *out);
/* Join certificates (each [body, signature]) into a chain. 0: does not fit. */
size_t chain_write(uint8_t *out, size_t max, const struct span *certs, uint32_t count);
MUST_CHECK enum err chain_split(struct span chain, struct span certs[CHAIN_MAX], uint32_t *count);
/* Verify the whole chain for `id`. now_s 0: the calendar is unknown, expiry is then not judged. */
MUST_CHECK enum err chain_verify(struct span chain, const struct crypto *c,
                                 const uint8_t authority_pk[32], const struct id *id,
                                 uint64_t now_s, struct membership *out);
/* The same for a chain that ends in NETWORK or INVITE (a token's): returns its last certificate. */
MUST_CHECK enum err chain_verify_issuer(struct span chain, const struct crypto *c,
                                        const uint8_t authority_pk[32], uint64_t now_s,
                                        struct membership *out, struct cert *last);
bool name_valid(const char *s, size_t len); /* DNS label rules above */
