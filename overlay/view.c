/* overlay/view.c - what a person sees of the overlay, and the hash by which simulations are compared. */
#include "overlay/core.h"
#include <string.h>

void overlay_view(const struct overlay *o, struct overlay_view *v)
{
    memset(v, 0, sizeof *v);
    v->id = o->self.id;
    v->joined = o->joined;
    v->starting = o->join_tries == 0 && o->up_count == 0;
    v->alone = o->was_alone;
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    ring_sides(o, left, right, &v->left_count, &v->right_count);
    for (uint8_t i = 0; i < v->left_count; i++) v->left[i] = *link_id(o, &o->links[left[i]]);
    for (uint8_t i = 0; i < v->right_count; i++) v->right[i] = *link_id(o, &o->links[right[i]]);
    v->estimate = ring_estimate(o);
    v->observed_count = observe_believed(&o->observe, v->observed, 4);
    v->mapping = (uint8_t)observe_mapping(&o->observe, o->locals, o->local_count);
    v->sessions = o->up_count;
    for (uint16_t i = 0; i < o->up_count; i++) {
        uint8_t k = order_at(o, i)->kinds;
        v->near += !!(k & KIND_NEAR);
        v->far += !!(k & KIND_FAR);
        v->demand += !!(k & KIND_DEMAND);
        v->leaf += !!(k & KIND_LEAF);
        v->pinned += !!(k & KIND_PINNED);
    }
}

void overlay_use(const struct overlay *o, struct limit_use out[LIMIT_USES])
{
    const struct limits *l = &o->common->limits;
    uint32_t hot = 0, channels = 0;
    const struct extra *x;
    for (struct table_walk w = {0, o->extra_count}; (x = extra_next(o, &w)) != NULL;) hot += x->hot;
    for (uint16_t i = 0; i < o->channel_count; i++) channels += o->channels[i].in != 0;
    out[0] = (struct limit_use){"links", o->link_count, l->links};
    out[1] = (struct limit_use){"extras", o->extra_count, l->extras};
    out[2] = (struct limit_use){"hot", hot, l->hot};
    out[3] = (struct limit_use){"channels", channels, l->channels};
}

static const char *path_why(const struct overlay *o, const struct link *l)
{
    const struct extra *x = link_extra(o, l);
    if (x && x->why && x->why[0]) return x->why;
    return link_path(l) == PATH_DIRECT ? "it answers there" : "no direct way is known yet";
}

bool overlay_peer_next(const struct overlay *o, uint32_t *cursor, struct overlay_peer *p)
{
    if (*cursor >= o->up_count) return false;
    const struct link *l = order_at(o, (uint16_t)(*cursor)++);
    const struct extra *x = link_extra(o, l);
    memset(p, 0, sizeof *p);
    p->id = *link_id(o, l);
    p->kinds = l->kinds;
    p->path = (uint8_t)link_path(l);
    if (p->path == PATH_DIRECT) p->endpoint = link_endpoint(l);
    if (p->path == PATH_RELAYED && x && x->relay_slot)
        p->via = *link_id(o, &o->links[x->relay_slot - 1]);
    p->rtt_us = link_rtt_us(l);
    if (x && x->hot) p->mtu_bytes = x->mtu.now;
    if (o->stats) {
        const struct link_stats *s = &o->stats[link_slot(o, l)];
        p->rx_bytes = s->rx_bytes, p->tx_bytes = s->tx_bytes, p->since_us = s->since_us;
    }
    strncpy(p->why, path_why(o, l), sizeof p->why - 1);
    return true;
}

uint8_t overlay_path(const struct overlay *o, const struct id *id)
{
    const struct link *l = link_by_id(o, id);
    return (uint8_t)(l ? link_path(l) : PATH_NONE);
}

static const char *mapping_text(unsigned m)
{
    switch (m) {
    case MAPPING_NONE: return "no NAT";
    case MAPPING_ENDPOINT_INDEPENDENT: return "a NAT that can be punched";
    case MAPPING_ADDRESS_DEPENDENT: return "a NAT with another port for every address";
    case MAPPING_PORT_DEPENDENT: return "a NAT with another port for every destination";
    default: return "a NAT of unknown kind (too few peers see it)";
    }
}

static void add(char *text, size_t max, const char *more)
{
    strncat(text, more, max - strlen(text) - 1);
}

/* Its candidates and what became of each; `used` (NULL: none) is the endpoint of its direct path. */
static void tried(const struct extra *x, const struct endpoint *used, struct overlay_why *w)
{
    static const char *const kinds[] = {"", "local ", "observed ", "mapped ", "predicted "};
    const size_t room = sizeof w->tried / sizeof *w->tried - 1; /* one is for `used` */
    bool listed = false;
    for (uint8_t i = 0; x && i < x->remote.count && w->tried_count < room; i++) {
        const struct candidate *c = &x->remote.list[i];
        char text[ENDPOINT_TEXT];
        size_t n = w->tried_count++;
        w->tried[n].what[0] = 0;
        add(w->tried[n].what, sizeof w->tried[n].what, kinds[c->kind <= 4 ? c->kind : 0]);
        add(w->tried[n].what, sizeof w->tried[n].what, endpoint_print(&c->at, text));
        const char *result = used ? "not needed" : "no answer";
        for (uint8_t k = 0; k < x->punch.count && x->punching && !used; k++)
            if (endpoint_equal(&x->punch.targets[k].at, &c->at)) result = "being probed";
        if (used && endpoint_equal(used, &c->at)) result = "answers, in use", listed = true;
        strncpy(w->tried[n].result, result, sizeof w->tried[n].result - 1);
    }
    if (!used || listed) return;
    endpoint_print(used, w->tried[w->tried_count].what);
    strncpy(w->tried[w->tried_count++].result, "answers, in use", sizeof w->tried->result - 1);
}

bool overlay_why(const struct overlay *o, uint64_t now_us, const struct id *id,
                 struct overlay_why *w)
{
    const struct link *l = link_by_id(o, id);
    (void)now_us;
    memset(w, 0, sizeof *w);
    w->next_us = TIME_NEVER;
    if (!l) {
        add(w->verdict, sizeof w->verdict,
            hello_pending(o, id) ? "a session is being set up over the ring"
                                 : "no session: nothing was sent there lately");
        return false;
    }
    const struct extra *x = link_extra(o, l);
    w->path = (uint8_t)link_path(l);
    bool direct = w->path == PATH_DIRECT;
    struct endpoint used = direct ? link_endpoint(l) : (struct endpoint){0};
    unsigned own = observe_mapping(&o->observe, o->locals, o->local_count);
    static const char *const starts[] = {"no path", "direct", "relayed by a common peer",
                                         "routed over the ring"};
    char at[ENDPOINT_TEXT];
    add(w->verdict, sizeof w->verdict, starts[w->path & 3]);
    if (direct) add(w->verdict, sizeof w->verdict, " to ");
    if (direct) add(w->verdict, sizeof w->verdict, endpoint_print(&used, at));
    add(w->verdict, sizeof w->verdict, ": ");
    add(w->verdict, sizeof w->verdict, path_why(o, l));
    if (x && x->candidates_got) {
        w->remote_mapping = x->remote_mapping;
        add(w->verdict, sizeof w->verdict, "; we are behind ");
        add(w->verdict, sizeof w->verdict, mapping_text(own));
        add(w->verdict, sizeof w->verdict, ", it is behind ");
        add(w->verdict, sizeof w->verdict, mapping_text(x->remote_mapping));
    }
    tried(x, direct ? &used : NULL, w);
    if (x && x->punch_at_us && w->path != PATH_DIRECT) w->next_us = x->punch_at_us;
    return true;
}

uint32_t *overlay_drops(struct overlay *o)
{
    return o->drops;
}

/* Fields one by one, so that padding and pointers never count. */
void overlay_prefetch(const struct overlay *o, unsigned step, const uint8_t *datagram)
{
    if (step == 0) {
        for (size_t at = 0; at < sizeof *o; at += 64) __builtin_prefetch((const char *)o + at);
        return;
    }
    bool data = datagram && datagram[0] == OUTER_DATA;
    const uint16_t *place = data ? &o->map[get_u32(datagram + 4) & o->map_mask] : NULL;
    if (step == 1) {
        __builtin_prefetch(o->order);
        if (place) __builtin_prefetch(place);
        if (o->ahead) __builtin_prefetch(o->ahead);
        /* of a link the half behind its keys */
        for (uint16_t i = 0; i < o->common->limits.links; i++)
            __builtin_prefetch(&o->links[i].peer);
    } else if (place && (*place & ENTRY_KIND) == ENTRY_LINK) {
        const struct link *l = &o->links[*place & ~ENTRY_KIND];
        __builtin_prefetch(l);
        __builtin_prefetch((const char *)l + 64);
    }
}

uint64_t overlay_hash(const struct overlay *o)
{
    static const uint8_t key[16] = "ringlet state 1";
    uint64_t h = crypto_siphash(o->self.id.b, ID_SIZE, key);
    for (uint16_t i = 0; i < o->up_count; i++) {
        const struct link *l = order_at(o, i);
        uint8_t b[80];
        struct writer w = writer_of(b, sizeof b);
        write_u64(&w, h);
        write_bytes(&w, link_id(o, l)->b, ID_SIZE);
        write_u32(&w, l->s.tx_next);
        write_u32(&w, l->s.rx_top);
        write_bytes(&w, l->ip, 16);
        write_u16(&w, l->port);
        write_u16(&w, l->srtt);
        write_u8(&w, l->kinds);
        write_u8(&w, l->s.flags);
        h = crypto_siphash(b, w.len, key);
    }
    uint8_t b[16 + 4 * DROP_COUNT];
    struct writer w = writer_of(b, sizeof b);
    write_u64(&w, h);
    write_u8(&w, o->joined);
    write_u16(&w, o->seq_next);
    for (unsigned i = 0; i < DROP_COUNT; i++) write_u32(&w, o->drops[i]);
    return crypto_siphash(b, w.len, key);
}
