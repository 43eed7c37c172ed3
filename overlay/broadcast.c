/* overlay/broadcast.c - a line of text to every node of the ring: each gets it once, N - 1 messages, and the origin learns how many.
 *
 * Whoever has it answers for an arc of the ring, the origin for all of it. It splits the arc at CHILDREN of the links it has there,
 * the nearest always among them, and gives each the piece from that link to the next; they do the same. A node that knows its
 * neighbours leaves nobody out, and nobody is in two pieces. Counts come back up the tree:
 *
 *   parent  BROADCAST [number, at, keys and signature, left, arc, text] ->  child
 *                   <- COUNTED [origin, number, done, reached, lost]        at once, and again when its own children are done
 *           COUNT [origin, number] ->                                       is it? once a second while it is not
 *
 * A BROADCAST without an answer goes again after the path's RTO; after SEND_TRIES, or when the link is gone, another link in that
 * piece gets the whole of it, both sides of itself. Where there is none, or a child falls silent later, the piece is counted as
 * `lost`: `reached` is what was acknowledged, and with lost == 0 it is everybody. Each hop gives its children 7/8 of the time it has.
 *
 * Bounds: one broadcast in ORIGIN_EVERY_US, ORIGIN_BURST at once, of one origin, asked by the origin and by every node that gets it; the like
 * of all origins; BROADCASTS_MAX under way or just done, the oldest done makes room; at most CHILDREN frames from a node.
 * Full, or too many: not delivered and not passed on, the parent hears `lost`.
 *
 * Trust: frames come sealed from a certified member, and the text is signed by its origin, whose id follows from the keys that come
 * along: checked before it is passed on. Not proven: that the origin's certificate still holds; a member could also send out again what another
 * one sent, as long as receivers have forgotten it (16 origins, 32 numbers each; a day, where the calendar is known). Arcs, time and counts are not
 * signed: a member on the way can keep a broadcast from its piece, and lie about the count.
 *
 * Source: Choi, Boykin, "Deetoo" (2010) and Brunet's BroadcastSender for the split; acknowledgements, counting and repair are ours.
 * Owns: two objects of the pool for each. Units: microseconds. Errors: OE_ANSWER INVALID, UNREACHABLE (not on the ring), BUSY, FULL. */
#include "overlay/seldom.h"
#include <string.h>

#define CHILDREN        16u
#define SEND_TRIES      4u
#define POLL_TRIES      4u
#define REPLACEMENTS    2u
#define POLL_US         SECONDS(1)
#define LEFT_MAX_US     SECONDS(60)
#define LEFT_MIN_US     MILLIS(100)
#define LINGER_US       SECONDS(5) /* a parent that has not heard the count asks again */
#define ORIGIN_EVERY_US SECONDS(10)
#define ORIGIN_BURST    4u
#define ALL_EVERY_US    SECONDS(2)
#define ALL_BURST       8u
#define AT_TOLERANCE_S  86400u
#define VERIFY_RATE     20u /* a second, at 58 us */
#define VERIFY_BURST    40u
#define FRAME_MAX       1200u /* KIND_CONTROL_MAX */
#define PROOF           128u  /* Ed25519 key, X25519 key, signature */

_Static_assert(1 + 1 + 1 + 5 + 9 + 2 + PROOF + 5 + 2 + 2 * ID_SIZE + 3 + BROADCAST_TEXT_MAX <=
                   FRAME_MAX,
               "BROADCAST fits");

enum child_state { CHILD_NEW, CHILD_WORKING, CHILD_DONE };
struct child { /* answers for the arc (start, end), in which it lies, or at whose start or end */
    struct id id, start, end;
    uint32_t reached, lost;
    uint64_t next_us;
    uint8_t state, tries, replaced;
};
struct broadcast {
    struct id origin, parent; /* parent zero: ours */
    uint32_t number, external;
    struct id start, end; /* our arc */
    uint64_t until_us;
    struct signed_text *text; /* NULL: nobody needs it any more */
    bool done;
    uint8_t child_count;
    uint32_t reached, lost; /* when done */
    struct child child[CHILDREN];
};
struct signed_text {
    uint64_t at_s; /* the origin's calendar, 0: unknown */
    uint8_t proof[PROOF];
    uint16_t len;
    uint8_t bytes[BROADCAST_TEXT_MAX];
};
_Static_assert(sizeof(struct broadcast) <= OVERLAY_POOLED_MAX &&
                   sizeof(struct signed_text) <= OVERLAY_POOLED_MAX,
               "one object of the pool each");

/* --- limits --- */

/* One in `every`, `burst` at once: *at is when a bucket that empties would be full again. */
static bool may(uint64_t *at_us, uint64_t now_us, uint64_t every_us, uint64_t burst)
{
    uint64_t at = time_max(*at_us, now_us);
    if (at - now_us > every_us * (burst - 1)) return false;
    *at_us = at + every_us;
    return true;
}

/* Of all first: origins cost nothing to make up, and each takes the place of one whose numbers we remember. */
static bool may_broadcast(struct overlay *o, uint64_t now_us, const struct id *origin)
{
    struct seldom *s = seldom_need(o);
    uint64_t all_us = s ? s->broadcasts_us : 0;
    if (!s || !may(&all_us, now_us, ALL_EVERY_US, ALL_BURST)) return false;
    struct sender *one = sender_of(o, now_us, origin);
    if (!one || !may(&one->broadcasts_us, now_us, ORIGIN_EVERY_US, ORIGIN_BURST)) return false;
    s->broadcasts_us = all_us;
    return true;
}

/* --- the table --- */

static struct broadcast *find(const struct overlay *o, const struct id *origin, uint32_t number)
{
    for (unsigned i = 0; o->seldom && i < BROADCASTS_MAX; i++) {
        struct broadcast *b = o->seldom->broadcasts[i];
        if (b && b->number == number && id_equal(&b->origin, origin)) return b;
    }
    return NULL;
}

static void text_give(struct overlay *o, struct broadcast *b)
{
    if (b->text) pool_give(o->extra_pool, b->text);
    b->text = NULL;
}

static void forget(struct overlay *o, unsigned i)
{
    text_give(o, o->seldom->broadcasts[i]);
    pool_give(o->extra_pool, o->seldom->broadcasts[i]);
    o->seldom->broadcasts[i] = NULL;
}

static struct broadcast *broadcast_new(struct overlay *o)
{
    struct seldom *s = seldom_need(o);
    unsigned at = BROADCASTS_MAX, oldest = BROADCASTS_MAX;
    for (unsigned i = 0; s && i < BROADCASTS_MAX; i++) {
        const struct broadcast *b = s->broadcasts[i];
        if (!b) at = i;
        if (b && b->done &&
            (oldest == BROADCASTS_MAX || b->until_us < s->broadcasts[oldest]->until_us))
            oldest = i;
    }
    if (at == BROADCASTS_MAX && oldest < BROADCASTS_MAX) forget(o, at = oldest);
    if (at == BROADCASTS_MAX) return NULL;
    struct broadcast *b = pool_take(o->extra_pool);
    if (!b) return NULL;
    b->text = pool_take(o->extra_pool);
    if (!b->text) {
        pool_give(o->extra_pool, b);
        return NULL;
    }
    return s->broadcasts[at] = b;
}

uint32_t broadcasts_held(const struct overlay *o)
{
    uint32_t n = 0;
    for (unsigned i = 0; o->seldom && i < BROADCASTS_MAX; i++)
        if (o->seldom->broadcasts[i]) n += 1u + (o->seldom->broadcasts[i]->text != NULL);
    return n;
}

void broadcasts_fini(struct overlay *o)
{
    for (unsigned i = 0; o->seldom && i < BROADCASTS_MAX; i++)
        if (o->seldom->broadcasts[i]) forget(o, i);
}

/* --- what is signed --- */

static size_t signed_bytes(uint8_t out[FRAME_MAX], const struct id *origin, uint32_t number,
                           uint64_t at_s, struct span text)
{
    struct writer w = writer_of(out, FRAME_MAX);
    write_bytes(&w, "ringlet broadcast 1", 19);
    write_bytes(&w, origin->b, ID_SIZE);
    write_u32(&w, number);
    write_u64(&w, at_s);
    write_bytes(&w, text.p, text.len);
    return w.len;
}

static bool proof_good(const struct overlay *o, const struct id *origin, uint32_t number,
                       uint64_t at_s, const uint8_t *proof, struct span text)
{
    uint8_t bytes[FRAME_MAX];
    size_t len = signed_bytes(bytes, origin, number, at_s, text);
    return o->crypto->verify(proof + 64, bytes, len, proof);
}

static bool in_time(const struct overlay *o, uint64_t now_us, uint64_t at_s)
{
    uint64_t now_s = calendar_now(o, now_us);
    if (!now_s || !at_s) return true;
    return at_s <= now_s + AT_TOLERANCE_S && now_s <= at_s + AT_TOLERANCE_S;
}

/* --- splitting --- */

static bool eligible(const struct overlay *o, const struct broadcast *b, const struct link *l,
                     bool nearest)
{
    const struct id *id = link_id(o, l);
    bool on_ring = (l->kinds & (KIND_NEAR | KIND_FAR | KIND_DEMAND | KIND_PINNED)) ||
                   (l->s.flags & LINK_WANTED);
    if (id_equal(id, &b->origin) || id_equal(id, &b->parent)) return false;
    return on_ring && (nearest || (link_path(l) != PATH_ROUTED && !l->tries));
}

/* Links in (from, to), going clockwise from `from` or, back, counterclockwise from `to`: their slots; returns how many. */
static uint16_t links_between(const struct overlay *o, const struct broadcast *b,
                              const struct id *from, const struct id *to, bool back,
                              uint16_t slots[])
{
    uint16_t n = 0, start = order_find(o, back ? to : from);
    for (uint16_t i = 0; i < o->up_count; i++) {
        uint16_t pos = (uint16_t)(back ? (start + 2 * o->up_count - 1 - i) % o->up_count
                                       : (start + i) % o->up_count);
        const struct link *l = order_at(o, pos);
        if (id_between(from, link_id(o, l), to) && eligible(o, b, l, n == 0))
            slots[n++] = o->order[pos];
    }
    return n;
}

/* One side of us: at most `most` children, the first link always, the others evenly among the rest. */
static void split_side(struct overlay *o, struct broadcast *b, bool back, uint8_t most,
                       uint64_t now_us)
{
    uint16_t slots[4096]; /* links stay below that */
    const struct id self = o->self.id;
    uint16_t n = links_between(o, b, back ? &b->start : &self, back ? &self : &b->end, back, slots);
    uint16_t parts = n < most ? n : most;
    for (uint16_t i = 0; i < parts; i++) {
        const struct id *id = link_id(o, &o->links[slots[(uint32_t)i * n / parts]]);
        const struct id *next = back ? &b->start : &b->end;
        if (i + 1 < parts) next = link_id(o, &o->links[slots[(i + 1u) * n / parts]]);
        b->child[b->child_count++] = (struct child){
            .id = *id, .start = back ? *next : *id, .end = back ? *id : *next, .next_us = now_us};
    }
}

static void split(struct overlay *o, struct broadcast *b, uint64_t now_us)
{
    bool whole = id_is_zero(&b->parent);
    bool right = whole || !id_equal(&b->end, &o->self.id);
    bool left = !whole && !id_equal(&b->start, &o->self.id);
    uint8_t most = right && left ? CHILDREN / 2 : CHILDREN;
    if (right) split_side(o, b, false, most, now_us);
    if (left) split_side(o, b, true, most, now_us);
}

/* --- out --- */

static void counted_send(struct overlay *o, uint64_t now_us, struct link *l,
                         const struct id *origin, uint32_t number, bool done, uint32_t reached,
                         uint32_t lost, struct outbox *out)
{
    uint8_t frame[64];
    struct pack k = control_pack(frame, sizeof frame, CONTROL_COUNTED, 6);
    pack_bin(&k, origin->b, ID_SIZE);
    pack_uint(&k, number);
    pack_bool(&k, done);
    pack_uint(&k, reached);
    pack_uint(&k, lost);
    ensure(!k.bad);
    frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
}

static void tell_parent(struct overlay *o, uint64_t now_us, const struct broadcast *b,
                        struct outbox *out)
{
    struct link *l = link_by_id(o, &b->parent);
    if (l) counted_send(o, now_us, l, &b->origin, b->number, b->done, b->reached, b->lost, out);
}

static void count_send(struct overlay *o, uint64_t now_us, struct link *l,
                       const struct broadcast *b, struct outbox *out)
{
    uint8_t frame[48];
    struct pack k = control_pack(frame, sizeof frame, CONTROL_COUNT, 3);
    pack_bin(&k, b->origin.b, ID_SIZE);
    pack_uint(&k, b->number);
    ensure(!k.bad);
    frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
}

static void broadcast_send(struct overlay *o, uint64_t now_us, struct link *l,
                           const struct broadcast *b, const struct child *c, struct outbox *out)
{
    uint8_t frame[FRAME_MAX], arc[2 * ID_SIZE];
    uint64_t left_us = time_since(b->until_us, now_us) / 8 * 7;
    memcpy(arc, c->start.b, ID_SIZE);
    memcpy(arc + ID_SIZE, c->end.b, ID_SIZE);
    struct pack k = control_pack(frame, sizeof frame, CONTROL_BROADCAST, 7);
    pack_uint(&k, b->number);
    pack_uint(&k, b->text->at_s);
    pack_bin(&k, b->text->proof, PROOF);
    pack_uint(&k, left_us / 1000);
    pack_bin(&k, arc, sizeof arc);
    pack_str(&k, (const char *)b->text->bytes, b->text->len);
    ensure(!k.bad);
    frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
}

/* --- children --- */

static void child_over(struct child *c)
{
    c->state = CHILD_DONE;
    c->lost++;
}

/* It never answered: somebody else in its piece, if there is one. */
static void child_gone(struct overlay *o, uint64_t now_us, struct broadcast *b, struct child *c)
{
    uint16_t slots[4096];
    uint16_t n = links_between(o, b, &c->start, &c->end, id_equal(&c->id, &c->end), slots);
    for (uint16_t i = 0; i < n && c->replaced < REPLACEMENTS; i++) {
        const struct link *l = &o->links[slots[i]];
        if (id_equal(link_id(o, l), &c->id) || l->tries) continue;
        c->id = *link_id(o, l);
        c->replaced++;
        c->tries = 0;
        c->next_us = now_us;
        return;
    }
    child_over(c);
}

static void child_due(struct overlay *o, uint64_t now_us, struct broadcast *b, struct child *c,
                      struct outbox *out)
{
    struct link *l = link_by_id(o, &c->id);
    bool fresh = c->state == CHILD_NEW;
    if (!l || c->tries >= (fresh ? SEND_TRIES : POLL_TRIES)) {
        if (fresh) {
            if (l) link_verify(o, l, now_us, out);
            child_gone(o, now_us, b, c);
        } else {
            child_over(c);
        }
        return;
    }
    if (fresh)
        broadcast_send(o, now_us, l, b, c, out);
    else
        count_send(o, now_us, l, b, out);
    c->next_us = now_us + (fresh ? (link_rto_us(l) + MILLIS(20)) << c->tries : POLL_US);
    c->tries++;
}

static void finish(struct overlay *o, uint64_t now_us, struct broadcast *b, struct outbox *out)
{
    char origin[ID_TEXT];
    uint64_t reached = !id_is_zero(&b->parent), lost = b->lost;
    for (uint8_t i = 0; i < b->child_count; i++) {
        if (b->child[i].state != CHILD_DONE) child_over(&b->child[i]);
        reached += b->child[i].reached;
        lost += b->child[i].lost;
    }
    b->done = true;
    b->reached = (uint32_t)(reached < UINT32_MAX ? reached : UINT32_MAX);
    b->lost = (uint32_t)(lost < UINT32_MAX ? lost : UINT32_MAX);
    text_give(o, b);
    trace(o->trace, now_us, NODE, "broadcast %.8s > done: %u nodes reached, %u pieces lost",
          id_print(&b->origin, origin), b->reached, b->lost);
    wake_at(o, b->until_us + LINGER_US);
    if (!id_is_zero(&b->parent)) {
        tell_parent(o, now_us, b, out);
        return;
    }
    outbox_event(out, OE_ANSWER, NULL)->answer = (struct overlay_answer){
        .request = b->external, .err = OK, .reached = b->reached, .lost = b->lost};
}

/* Whatever is due of it. */
static void go_on(struct overlay *o, uint64_t now_us, struct broadcast *b, struct outbox *out)
{
    bool all = true;
    if (b->done) return;
    for (uint8_t i = 0; i < b->child_count; i++) {
        struct child *c = &b->child[i];
        for (unsigned k = 0; c->state != CHILD_DONE && c->next_us <= now_us && k <= REPLACEMENTS;
             k++)
            child_due(o, now_us, b, c, out);
        if (c->state == CHILD_DONE) continue;
        all = false;
        wake_at(o, time_min(c->next_us, b->until_us));
    }
    if (all || b->until_us <= now_us) finish(o, now_us, b, out);
}

void broadcast_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    for (unsigned i = 0; o->seldom && i < BROADCASTS_MAX; i++) {
        struct broadcast *b = o->seldom->broadcasts[i];
        if (!b) continue;
        go_on(o, now_us, b, out);
        if (!b->done) continue;
        if (b->until_us + LINGER_US <= now_us)
            forget(o, i);
        else
            wake_at(o, b->until_us + LINGER_US);
    }
}

/* --- ours --- */

static enum err begin(struct overlay *o, uint64_t now_us, const void *text, size_t len,
                      struct broadcast **out)
{
    if (!overlay_text_ok(text, len) || len > BROADCAST_TEXT_MAX) return ERR_INVALID;
    if (!o->joined || o->leaving) return ERR_UNREACHABLE;
    if (!may_broadcast(o, now_us, &o->self.id)) return ERR_BUSY;
    *out = broadcast_new(o);
    return *out ? OK : ERR_FULL;
}

void overlay_broadcast(struct overlay *o, uint64_t now_us, const void *text, size_t len,
                       uint32_t request, uint64_t timeout_us, struct outbox *out)
{
    struct broadcast *b = NULL;
    uint8_t bytes[FRAME_MAX];
    enum err e = begin(o, now_us, text, len, &b);
    if (e != OK) {
        outbox_event(out, OE_ANSWER, NULL)->answer = (struct overlay_answer){.request = request,
                                                                             .err = e};
        return;
    }
    do b->number = ++o->request_next;
    while (b->number == 0);
    b->origin = b->start = b->end = o->self.id;
    b->external = request;
    b->until_us = now_us + time_min(timeout_us, LEFT_MAX_US);
    struct signed_text *t = b->text;
    t->at_s = calendar_now(o, now_us);
    t->len = (uint16_t)len;
    memcpy(t->bytes, text, len);
    memcpy(t->proof, o->self.ed_pk, 32);
    memcpy(t->proof + 32, o->self.x_pk, 32);
    size_t n = signed_bytes(bytes, &b->origin, b->number, t->at_s, (struct span){text, len});
    o->crypto->sign(t->proof + 64, bytes, n, o->self.ed_seed, o->self.ed_pk);
    split(o, b, now_us);
    go_on(o, now_us, b, out);
}

/* --- in --- */

/* One that we have not seen: OK, or why it ends here. */
static enum err judge(struct overlay *o, uint64_t now_us, const struct id *origin, uint32_t number,
                      uint64_t at_s, const uint8_t *proof, struct span text)
{
    if (!in_time(o, now_us, at_s)) return ERR_EXPIRED;
    if (!seldom_need(o) || !budget_take(&o->seldom->verify, now_us, VERIFY_RATE, VERIFY_BURST))
        return ERR_BUSY;
    if (!proof_good(o, origin, number, at_s, proof, text)) return ERR_CRYPTO;
    return may_broadcast(o, now_us, origin) ? OK : ERR_BUSY;
}

static void take(struct overlay *o, uint64_t now_us, struct link *l, struct broadcast *b,
                 struct span text, struct outbox *out)
{
    b->text->len = (uint16_t)text.len;
    memcpy(b->text->bytes, text.p, text.len);
    b->parent = *link_id(o, l);
    sender_note(sender_of(o, now_us, &b->origin), b->number);
    struct overlay_event *e = outbox_event(out, OE_MESSAGE, &b->origin);
    e->bytes = text.p; /* ours may be given back before it is looked at */
    e->len = (uint32_t)text.len;
    e->to = 1; /* everybody */
    const struct id *self = &o->self.id;
    bool inside = id_between(&b->start, self, &b->end) || id_equal(self, &b->start) ||
                  id_equal(self, &b->end);
    bool nothing = id_equal(self, &b->start) && id_equal(self, &b->end);
    bool time_left = b->until_us >= now_us + LEFT_MIN_US;
    if (inside && !nothing && time_left) split(o, b, now_us);
    b->lost = !nothing && !(inside && time_left); /* its arc hears nothing of it from us */
    go_on(o, now_us, b, out);
    if (!b->done) tell_parent(o, now_us, b, out);
}

void on_broadcast(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
                  struct outbox *out)
{
    uint32_t number = (uint32_t)unpack_uint(u, UINT32_MAX);
    uint64_t at_s = unpack_uint(u, UINT64_MAX >> 1);
    struct span proof = unpack_bin(u, PROOF, PROOF);
    uint64_t left_ms = unpack_uint(u, LEFT_MAX_US / 1000);
    struct span arc = unpack_bin(u, 2 * ID_SIZE, 2 * ID_SIZE);
    struct span text = unpack_str(u, BROADCAST_TEXT_MAX);
    if (u->bad || text.len == 0 || number == 0) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct id origin;
    identity_id(&origin, o->crypto, proof.p, proof.p + 32);
    struct broadcast *b = find(o, &origin, number);
    if (b && id_equal(&b->parent, link_id(o, l))) { /* our answer was lost */
        drop(o, DROP_DUPLICATE);
        tell_parent(o, now_us, b, out);
        return;
    }
    if (b || id_equal(&origin, &o->self.id) ||
        sender_seen(sender_find(o, &origin), number)) { /* through somebody else */
        drop(o, DROP_DUPLICATE);
        counted_send(o, now_us, l, &origin, number, true, 0, 0, out);
        return;
    }
    enum err e = judge(o, now_us, &origin, number, at_s, proof.p, text);
    b = e == OK ? broadcast_new(o) : NULL;
    if (!b) {
        drop(o, e == OK ? DROP_FULL : e == ERR_BUSY ? DROP_RATE : DROP_DENIED);
        counted_send(o, now_us, l, &origin, number, true, 0, 1, out);
        return;
    }
    b->origin = origin;
    b->number = number;
    memcpy(b->start.b, arc.p, ID_SIZE);
    memcpy(b->end.b, arc.p + ID_SIZE, ID_SIZE);
    b->until_us = now_us + left_ms * 1000;
    b->text->at_s = at_s;
    memcpy(b->text->proof, proof.p, PROOF);
    take(o, now_us, l, b, text, out);
}

static struct broadcast *named(struct overlay *o, struct unpack *u, struct id *origin,
                               uint32_t *number)
{
    unpack_copy(u, origin->b, ID_SIZE);
    *number = (uint32_t)unpack_uint(u, UINT32_MAX);
    return u->bad ? NULL : find(o, origin, *number);
}

void on_count(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
              struct outbox *out)
{
    struct id origin;
    uint32_t number;
    const struct broadcast *b = named(o, u, &origin, &number);
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    if (b && id_equal(&b->parent, link_id(o, l)))
        tell_parent(o, now_us, b, out);
    else
        counted_send(o, now_us, l, &origin, number, true, 0, 1, out); /* forgotten */
}

void on_counted(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
                struct outbox *out)
{
    struct id origin;
    uint32_t number;
    struct broadcast *b = named(o, u, &origin, &number);
    bool done = unpack_bool(u);
    uint32_t reached = (uint32_t)unpack_uint(u, UINT32_MAX);
    uint32_t lost = (uint32_t)unpack_uint(u, UINT32_MAX);
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct child *c = NULL;
    for (uint8_t i = 0; b && i < b->child_count; i++)
        if (b->child[i].state != CHILD_DONE && id_equal(&b->child[i].id, link_id(o, l)))
            c = &b->child[i];
    if (!c || b->done) return; /* a repeat, or too late */
    c->tries = 0;
    c->state = done ? CHILD_DONE : CHILD_WORKING;
    c->next_us = now_us + POLL_US;
    if (done) {
        c->reached = reached;
        c->lost = lost;
        if (c->replaced && reached == 0 && lost == 0)
            c->lost =
                1; /* it had it from who is gone: whether the rest of that piece has, nobody knows */
    }
    go_on(o, now_us, b, out);
}
