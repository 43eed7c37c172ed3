/* What a lane knows: sessions, address rows, relay channels, and how they are found. */
#include "node/lane_internal.h"

#include <string.h>

/* --- made and freed --- */

static uint32_t rows_for(const struct limits *l)
{
    return ROWS_PER_HOT * l->hot;
}

static uint32_t channels_for(const struct limits *l)
{
    return CHANNEL_WAYS * l->channels;
}

static uint32_t buckets_for(const struct limits *l)
{
    uint32_t n = 2;
    while (n < 2u * l->hot) n *= 2;
    return n;
}

size_t lane_size(const struct limits *l)
{
    return sizeof(struct lane) + l->hot * sizeof(struct hot_session) +
           buckets_for(l) * sizeof(uint16_t) + rows_for(l) * sizeof(struct lane_row) +
           channels_for(l) * sizeof(struct lane_channel) +
           (table_slots_for(rows_for(l)) + table_slots_for(channels_for(l))) *
               sizeof(struct table_slot);
}

/* Only certified members bring rows and channels, and few of them: a fixed key will do, a lane draws no randomness. */
static void tables_init(struct lane *l)
{
    const uint8_t key[16] = {'l', 'a', 'n', 'e', l->number};
    table_init_zeroed(&l->row_table, l->row_slots, table_slots_for(l->row_max), key);
    table_init_zeroed(&l->channel_table, l->channel_slots, table_slots_for(l->channel_max), key);
}

enum err lane_new(struct lane **out, const struct limits *limits, const struct crypto *c,
                  uint8_t lane_number_, struct hot_queue *down, struct hot_queue *up)
{
    *out = NULL;
    if (limits->hot == 0 || lane_number_ >= LANES_MAX) return ERR_INVALID;
    struct lane *l = calloc(1, sizeof *l);
    if (!l) return ERR_NO_MEMORY;
    l->crypto = c;
    l->down = down;
    l->up = up;
    l->number = lane_number_;
    l->lanes = 1;
    l->wake_us = TIME_NEVER;
    l->session_max = limits->hot;
    l->bucket_mask = buckets_for(limits) - 1;
    l->row_max = rows_for(limits);
    l->channel_max = channels_for(limits);
    l->sessions = calloc(l->session_max, sizeof *l->sessions);
    l->buckets = calloc(l->bucket_mask + 1, sizeof *l->buckets);
    l->rows = calloc(l->row_max, sizeof *l->rows);
    l->row_slots = calloc(table_slots_for(l->row_max), sizeof *l->row_slots);
    l->channels = calloc(l->channel_max + 1, sizeof *l->channels); /* never of size 0 */
    l->channel_slots = calloc(table_slots_for(l->channel_max), sizeof *l->channel_slots);
    if (!l->sessions || !l->buckets || !l->rows || !l->row_slots || !l->channels ||
        !l->channel_slots) {
        lane_free(l);
        return ERR_NO_MEMORY;
    }
    tables_init(l);
    *out = l;
    return OK;
}

void lane_free(struct lane *l)
{
    if (!l) return;
    for (uint32_t i = 0; i < l->session_used; i++)
        if (l->sessions[i].index) lane_session_remove(l, &l->sessions[i]);
    free(l->sessions);
    free(l->buckets);
    free(l->rows);
    free(l->row_slots);
    free(l->channels);
    free(l->channel_slots);
    fragments_free(&l->fragments);
    crypto_wipe(l, sizeof *l);
    free(l);
}

void lane_share(struct lane *l, uint8_t count, struct hot_counter *counters)
{
    ensure(l->number < count && count <= LANES_MAX);
    l->lanes = count;
    l->counters = counters;
}

void lane_indices(struct lane *l, const uint64_t *indices)
{
    l->indices = indices;
}

/* --- finding --- */

struct hot_session *lane_session(const struct lane *l, uint32_t index)
{
    uint16_t number = l->buckets[INDEX_SLOT(index) & l->bucket_mask];
    while (number && l->sessions[number - 1].index != index) number = l->sessions[number - 1].next;
    return number ? &l->sessions[number - 1] : NULL;
}

const struct lane_network *lane_network(const struct lane *l, uint8_t number)
{
    return number < NETWORKS_MAX && l->networks[number].mtu_bytes ? &l->networks[number] : NULL;
}

static bool row_is(const void *context, uint32_t value, const void *key)
{
    const struct lane *l = context;
    return memcmp(l->rows[value].ip, key, ROW_KEY) == 0;
}

struct lane_row *lane_row(struct lane *l, uint8_t network, const uint8_t ip[16])
{
    uint8_t key[ROW_KEY];
    uint32_t *recent = &l->row_recent[(ip[15] ^ network) % ROW_RECENT];
    struct lane_row *row = &l->rows[*recent];
    if (row->in_use && row->network == network && memcmp(row->ip, ip, sizeof row->ip) == 0)
        return row;
    memcpy(key, ip, 16);
    key[16] = network;
    uint32_t at = table_get(&l->row_table, key, ROW_KEY, row_is, l);
    if (at == TABLE_NONE) return NULL;
    *recent = at;
    return &l->rows[at];
}

static bool channel_is(const void *context, uint32_t value, const void *key)
{
    const struct lane *l = context;
    return memcmp(&l->channels[value].index, key, CHANNEL_KEY) == 0;
}

struct lane_channel *lane_channel(const struct lane *l, uint32_t index, uint32_t channel)
{
    uint32_t key[2] = {index, channel};
    uint32_t at = table_get(&l->channel_table, key, CHANNEL_KEY, channel_is, l);
    return at == TABLE_NONE ? NULL : &l->channels[at];
}

/* --- rows --- */

void lane_row_remove(struct lane *l, struct lane_row *row)
{
    bool was_there = table_remove(&l->row_table, row->ip, ROW_KEY, (uint32_t)(row - l->rows));
    ensure(was_there);
    memset(row, 0, sizeof *row);
}

/* A free place, else that of the row unused for longest. */
static struct lane_row *row_place(struct lane *l)
{
    struct lane_row *oldest = &l->rows[0];
    for (uint32_t i = 0; i < l->row_used; i++) {
        struct lane_row *row = &l->rows[i];
        if (!row->in_use) return row;
        if (row->used_us < oldest->used_us) oldest = row;
    }
    if (l->row_used < l->row_max) return &l->rows[l->row_used++];
    lane_drop(l, DROP_FULL);
    lane_row_remove(l, oldest);
    return oldest;
}

void lane_row_put(struct lane *l, uint8_t network, const uint8_t ip[16],
                  const struct hot_session *s, uint64_t now_us)
{
    struct lane_row *row = lane_row(l, network, ip);
    if (!row) {
        row = row_place(l);
        memcpy(row->ip, ip, 16);
        row->network = network;
        row->in_use = true;
        enum err e = table_put(&l->row_table, row->ip, ROW_KEY, (uint32_t)(row - l->rows));
        ensure(!e); /* sized for row_max */
    }
    row->session = lane_number(l, s);
    row->used_us = now_us;
}

/* --- channels --- */

void lane_channel_remove(struct lane *l, struct lane_channel *c)
{
    bool was_there = table_remove(&l->channel_table, &c->index, CHANNEL_KEY,
                                  (uint32_t)(c - l->channels));
    ensure(was_there);
    memset(c, 0, sizeof *c);
}

void lane_channel_put(struct lane *l, const struct lane_channel *as)
{
    struct lane_channel *c = lane_channel(l, as->index, as->channel);
    if (c) {
        *c = *as;
        return;
    }
    uint32_t i = 0;
    while (i < l->channel_used && l->channels[i].index) i++;
    if (i == l->channel_max) {
        lane_drop(l, DROP_FULL);
        return;
    }
    if (i == l->channel_used) l->channel_used++;
    l->channels[i] = *as;
    enum err e = table_put(&l->channel_table, &l->channels[i].index, CHANNEL_KEY, i);
    ensure(!e); /* sized for channel_max */
}

/* --- sessions --- */

static void bucket_leave(struct lane *l, const struct hot_session *s)
{
    uint16_t *at = &l->buckets[INDEX_SLOT(s->index) & l->bucket_mask];
    while (*at != lane_number(l, s)) at = &l->sessions[*at - 1].next;
    *at = s->next;
}

struct hot_session *lane_session_take(struct lane *l, uint32_t index)
{
    struct hot_session *s;
    uint16_t *bucket = &l->buckets[INDEX_SLOT(index) & l->bucket_mask];
    if (l->free_session) {
        s = &l->sessions[l->free_session - 1];
        l->free_session = s->next;
    } else if (l->session_used < l->session_max) {
        s = &l->sessions[l->session_used++];
    } else {
        return NULL;
    }
    s->index = index;
    s->next = *bucket;
    s->used_due_us = TIME_NEVER;
    *bucket = lane_number(l, s);
    return s;
}

void lane_let_go(struct hot_session *s)
{
    if (s->shared) __atomic_sub_fetch(&s->shared->holders, 1, __ATOMIC_RELEASE);
    s->shared = NULL;
}

void lane_session_remove(struct lane *l, struct hot_session *s)
{
    uint16_t number = lane_number(l, s);
    for (uint32_t i = 0; i < l->row_used; i++)
        if (l->rows[i].in_use && l->rows[i].session == number) lane_row_remove(l, &l->rows[i]);
    for (uint32_t i = 0; i < l->channel_used; i++)
        if (l->channels[i].index == s->index) lane_channel_remove(l, &l->channels[i]);
    for (uint32_t i = 0; i < l->session_used; i++)
        if (l->sessions[i].before == number) l->sessions[i].before = 0;
    fragments_forget(&l->fragments, s->index);
    bucket_leave(l, s);
    l->crypto->forget(&s->tx);
    l->crypto->forget(&s->rx);
    lane_let_go(s);
    crypto_wipe(s, sizeof *s);
    s->next = l->free_session;
    l->free_session = number;
}

/* A rekey: everything that named the old index goes over; the old session may still be heard (source_is_its). */
void lane_session_continue(struct lane *l, struct hot_session *s, const struct hot_session *old)
{
    uint16_t number = lane_number(l, s), before = lane_number(l, old);
    s->way = old->way;
    s->before = before;
    for (uint32_t i = 0; i < l->row_used; i++)
        if (l->rows[i].session == before) l->rows[i].session = number;
    for (uint32_t i = 0; i < l->session_used; i++)
        if (l->sessions[i].way.via == old->index) l->sessions[i].way.via = s->index;
    for (uint32_t i = 0; i < l->channel_used; i++) {
        struct lane_channel c = l->channels[i];
        if (c.via == old->index && c.index) l->channels[i].via = s->index;
        if (c.index != old->index) continue;
        c.index = s->index; /* a second one: both indexes are heard for a while */
        lane_channel_put(l, &c);
    }
}
