#include "daemon/netlink.h"

#include "base/bytes.h"
#include "daemon/sockaddr.h"
#include "vnet/address.h"
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUFFER 16384

static bool is_own(const struct netlink_own *own, int index)
{
    for (uint32_t i = 0; own && i < own->count; i++)
        if (own->index[i] == index) return true;
    return false;
}

/* Send one request and run `each` over the answers. 0 or errno. */
static int talk(struct nlmsghdr *request, mnl_cb_t each, void *context)
{
    char buffer[BUFFER];
    struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!s) return errno;
    int result = 0;
    request->nlmsg_seq = 1;
    if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_sendto(s, request, request->nlmsg_len) < 0) {
        result = errno;
        mnl_socket_close(s);
        return result;
    }
    unsigned port = mnl_socket_get_portid(s);
    for (;;) {
        ssize_t got = mnl_socket_recvfrom(s, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        int more = got < 0 ? -1 : mnl_cb_run(buffer, (size_t)got, 1, port, each, context);
        if (more > 0) continue;
        result = more < 0 ? errno : 0;
        break;
    }
    mnl_socket_close(s);
    return result;
}

static struct nlmsghdr *begin(char *buffer, uint16_t type, uint16_t flags, size_t extra,
                              void **header)
{
    struct nlmsghdr *h = mnl_nlmsg_put_header(buffer);
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    *header = mnl_nlmsg_put_extra_header(h, extra);
    return h;
}

struct attributes {
    const struct nlattr *at[64]; /* by type; NULL: absent */
};

static int on_attribute(const struct nlattr *attr, void *context)
{
    struct attributes *a = context;
    int type = mnl_attr_get_type(attr);
    if (type < 64) a->at[type] = attr;
    return MNL_CB_OK;
}

static struct attributes attributes(const struct nlmsghdr *h, unsigned offset)
{
    struct attributes a = {0};
    (void)mnl_attr_parse(h, offset, on_attribute, &a);
    return a;
}

/* --- our own devices --- */

/* Best effort: an old kernel or one without IPv6 refuses the attribute. */
static void no_link_local(int index)
{
    char buffer[BUFFER];
    void *header;
    struct nlmsghdr *h = begin(buffer, RTM_NEWLINK, NLM_F_ACK, sizeof(struct ifinfomsg), &header);
    ((struct ifinfomsg *)header)->ifi_index = index;
    struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
    struct nlattr *inet6 = mnl_attr_nest_start(h, AF_INET6);
    mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(h, inet6);
    mnl_attr_nest_end(h, spec);
    (void)talk(h, NULL, NULL);
}

bool netlink_device_up(int index, uint16_t mtu_bytes, struct fail *f)
{
    char buffer[BUFFER];
    void *header;
    no_link_local(index);
    struct nlmsghdr *h = begin(buffer, RTM_NEWLINK, NLM_F_ACK, sizeof(struct ifinfomsg), &header);
    struct ifinfomsg *link = header;
    link->ifi_index = index;
    link->ifi_flags = link->ifi_change = IFF_UP;
    mnl_attr_put_u32(h, IFLA_MTU, mtu_bytes);
    int error = talk(h, NULL, NULL);
    return error == 0 ||
           fail(f, error == EPERM ? FAIL_PERMISSION : FAIL_IO, "run as root, or with --no-tun",
                "cannot bring the device up: %s", strerror(error));
}

void netlink_device_segments(int index, uint32_t most)
{
    char buffer[BUFFER];
    void *header;
    struct nlmsghdr *h = begin(buffer, RTM_NEWLINK, NLM_F_ACK, sizeof(struct ifinfomsg), &header);
    ((struct ifinfomsg *)header)->ifi_index = index;
    mnl_attr_put_u32(h, IFLA_GSO_MAX_SEGS, most);
    (void)talk(h, NULL, NULL);
}

static int address_change(uint16_t type, uint16_t flags, int index, const uint8_t ip[16],
                          uint8_t prefix)
{
    char buffer[BUFFER];
    void *header;
    bool v4 = ip_to_v4(ip) != 0;
    struct nlmsghdr *h = begin(buffer, type, (uint16_t)(flags | NLM_F_ACK),
                               sizeof(struct ifaddrmsg), &header);
    *(struct ifaddrmsg *)header = (struct ifaddrmsg){.ifa_family = v4 ? AF_INET : AF_INET6,
                                                     .ifa_prefixlen = prefix,
                                                     .ifa_flags = v4 ? 0 : IFA_F_NODAD,
                                                     .ifa_index = (unsigned)index};
    mnl_attr_put(h, IFA_LOCAL, v4 ? 4 : 16, v4 ? ip + 12 : ip);
    mnl_attr_put(h, IFA_ADDRESS, v4 ? 4 : 16, v4 ? ip + 12 : ip);
    return talk(h, NULL, NULL);
}

bool netlink_address_add(int index, const uint8_t ip[16], uint8_t prefix, struct fail *f)
{
    char text[ENDPOINT_TEXT];
    int error = address_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, ip, prefix);
    if (error == 0 || error == EEXIST) return true;
    return fail(f, error == EPERM ? FAIL_PERMISSION : FAIL_IO,
                ip_to_v4(ip) ? "run as root, or with --no-tun"
                             : "is IPv6 switched off on this host?",
                "cannot set address %s: %s", ip_print(ip, text), strerror(error));
}

bool netlink_address_drop(int index, const uint8_t ip[16], uint8_t prefix, struct fail *f)
{
    char text[ENDPOINT_TEXT];
    int error = address_change(RTM_DELADDR, 0, index, ip, prefix);
    return error == 0 || error == EADDRNOTAVAIL ||
           fail(f, FAIL_IO, "", "cannot remove address %s: %s", ip_print(ip, text),
                strerror(error));
}

/* --- the host's addresses --- */

struct address_walk {
    const struct netlink_own *own;
    struct endpoint *out;
    uint32_t count, max;
    const struct range4 *range; /* asked about: who lies in it */
    char *who;
};

static bool in_range(const struct range4 *r, uint32_t ip)
{
    uint32_t mask = r->prefix ? ~0u << (32 - r->prefix) : 0;
    return (ip & mask) == r->net;
}

/* Would others reach us at this address? */
static bool is_candidate(const struct endpoint *at, uint32_t flags)
{
    struct endpoint e = *at;
    e.port = 1; /* only to ask */
    return !(flags & (IFA_F_DEPRECATED | IFA_F_TEMPORARY | IFA_F_DADFAILED | IFA_F_TENTATIVE)) &&
           endpoint_is_usable(&e) && endpoint_scope(&e) != SCOPE_LOOPBACK;
}

static const char *device_name(uint32_t index, char out[IF_NAMESIZE])
{
    return if_indextoname(index, out) ? out : "?";
}

static int on_address(const struct nlmsghdr *h, void *context)
{
    struct address_walk *w = context;
    const struct ifaddrmsg *a = mnl_nlmsg_get_payload(h);
    char text[ENDPOINT_TEXT], device[IF_NAMESIZE];
    if (h->nlmsg_type != RTM_NEWADDR || is_own(w->own, (int)a->ifa_index)) return MNL_CB_OK;
    struct attributes all = attributes(h, sizeof *a);
    /* IFA_LOCAL is ours where IFA_ADDRESS is the other end of a point-to-point link */
    const struct nlattr *attr = all.at[IFA_LOCAL] ? all.at[IFA_LOCAL] : all.at[IFA_ADDRESS];
    bool v4 = a->ifa_family == AF_INET;
    if (!attr || mnl_attr_get_payload_len(attr) != (v4 ? 4 : 16)) return MNL_CB_OK;
    const uint8_t *ip = mnl_attr_get_payload(attr);
    struct endpoint e = {.transport = TRANSPORT_UDP};
    if (v4)
        e = endpoint_v4(get_u32(ip), 0);
    else
        memcpy(e.ip, ip, 16);
    if (w->range) {
        if (v4 && in_range(w->range, get_u32(ip)) && !w->who[0])
            snprintf(w->who, 96, "address %s of %s", ip_print(e.ip, text),
                     device_name(a->ifa_index, device));
        return MNL_CB_OK;
    }
    uint32_t flags = all.at[IFA_FLAGS] ? mnl_attr_get_u32(all.at[IFA_FLAGS]) : a->ifa_flags;
    if (w->count < w->max && is_candidate(&e, flags)) w->out[w->count++] = e;
    return MNL_CB_OK;
}

static void walk_addresses(struct address_walk *w)
{
    char buffer[BUFFER];
    void *header;
    struct nlmsghdr *h = begin(buffer, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg), &header);
    (void)talk(h, on_address, w);
}

uint32_t netlink_addresses(const struct netlink_own *own, struct endpoint *out, uint32_t max)
{
    struct address_walk w = {.own = own, .out = out, .max = max};
    walk_addresses(&w);
    return w.count;
}

/* --- routes --- */

struct route_walk {
    const struct netlink_own *own;
    const struct range4 *range;
    char *who;
};

static int on_route(const struct nlmsghdr *h, void *context)
{
    struct route_walk *w = context;
    const struct rtmsg *r = mnl_nlmsg_get_payload(h);
    char text[24], device[IF_NAMESIZE];
    if (h->nlmsg_type != RTM_NEWROUTE || r->rtm_family != AF_INET || w->who[0]) return MNL_CB_OK;
    struct attributes all = attributes(h, sizeof *r);
    uint32_t net = all.at[RTA_DST] ? get_u32(mnl_attr_get_payload(all.at[RTA_DST])) : 0;
    uint32_t table = all.at[RTA_TABLE] ? mnl_attr_get_u32(all.at[RTA_TABLE]) : r->rtm_table;
    uint32_t index = all.at[RTA_OIF] ? mnl_attr_get_u32(all.at[RTA_OIF]) : 0;
    if (table == RT_TABLE_LOCAL || is_own(w->own, (int)index)) return MNL_CB_OK;
    if (r->rtm_dst_len < w->range->prefix || !in_range(w->range, net)) return MNL_CB_OK;
    struct range4 route = {net, r->rtm_dst_len};
    snprintf(w->who, 96, "route %s on %s", range_print(&route, text), device_name(index, device));
    return MNL_CB_OK;
}

bool netlink_range_taken(const struct range4 *r, const struct netlink_own *own, char who[96])
{
    char buffer[BUFFER];
    void *header;
    who[0] = 0;
    struct address_walk a = {.own = own, .range = r, .who = who};
    walk_addresses(&a);
    if (who[0]) return true;
    struct route_walk w = {own, r, who};
    struct nlmsghdr *h = begin(buffer, RTM_GETROUTE, NLM_F_DUMP, sizeof(struct rtmsg), &header);
    ((struct rtmsg *)header)->rtm_family = AF_INET;
    (void)talk(h, on_route, &w);
    return who[0] != 0;
}

/* --- changes --- */

int netlink_monitor_open(void)
{
    struct sockaddr_nl at = {.nl_family = AF_NETLINK,
                             .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

struct change {
    const struct netlink_own *own;
    bool seen;
};

static int on_change(const struct nlmsghdr *h, void *context)
{
    struct change *c = context;
    int index = 0;
    if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR)
        index = (int)((const struct ifaddrmsg *)mnl_nlmsg_get_payload(h))->ifa_index;
    else if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
        index = ((const struct ifinfomsg *)mnl_nlmsg_get_payload(h))->ifi_index;
    if (index && !is_own(c->own, index)) c->seen = true;
    return MNL_CB_OK;
}

bool netlink_monitor_read(int fd, const struct netlink_own *own)
{
    char buffer[BUFFER];
    struct change c = {.own = own};
    for (;;) {
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        if (got < 0 && errno == ENOBUFS) { /* some were lost: look anew */
            c.seen = true;
            continue;
        }
        if (got <= 0) return c.seen;
        (void)mnl_cb_run(buffer, (size_t)got, 0, 0, on_change, &c);
    }
}
