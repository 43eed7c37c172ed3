#!/usr/bin/env python3
"""segments.py send DEVICE SRC DST FILE PID | end DEVICE SRC DST | take DEVICE in|out PORT FILE | compare SENT TAKEN - packets into one TUN
device and out of another, as a stack sees them: with the kernel's header for offloads (PACKET_VNET_HDR), so whole super-packets too.

FILE gets what was sent or taken cut into the segments that it stands for, by the rules of Linux (tcp_gso_segment): hex, one a line.
The process PID stands still while they queue up. `take` looks at packets from or to that port, and at fragments, until `end` sends one.
`compare` asks that each flow's segments are the same, in the same order: every byte, the checksum too. The IPv4 id with DF
set means nothing (RFC 6864) and is left out. What `send` gives the device as one super-packet, the kernel cuts (it trusts
only its own TCP), so super-packets are there only with `take ... out` beside real connections.
"""
import collections
import ipaddress
import os
import signal
import socket
import struct
import sys

SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING = 263, 15, 4
NEEDS_CSUM, GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_ECN = 1, 0, 1, 4, 0x80
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << i for i in range(8))
TCP, UDP, ICMP, ICMP6, HOP, DSTOPT, FRAGMENT = 6, 17, 1, 58, 0, 60, 44
END_PORT = 9   # a packet from there ends the taking
FIRST_PORT = 10000


def checksum(data):
    data = bytes(data) + b"\0" * (len(data) % 2)
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def header(p):
    """Of an IP packet: where its transport begins, which one it is (None: of a later fragment), the pseudo-header's addresses."""
    if p[0] >> 4 == 4:
        return (p[0] & 15) * 4, p[9] if not (p[6] & 0x1f or p[7]) else None, p[12:20]
    at, what = 40, p[6]
    while what in (HOP, DSTOPT):
        what, at = p[at], at + 8 + p[at + 1] * 8
    return at, None if what == FRAGMENT else what, p[8:40]


def sum_field(protocol):
    return 16 if protocol == TCP else 6


def close_sums(p, transport_too=True):
    """Lengths and checksums as they ought to be."""
    at, protocol, addresses = header(p)
    if p[0] >> 4 == 4:
        p[2:4] = struct.pack("!H", len(p))
        p[10:12] = b"\0\0"
        p[10:12] = struct.pack("!H", checksum(p[:at]))
    else:
        p[4:6] = struct.pack("!H", len(p) - 40)
    if transport_too:
        field = at + sum_field(protocol)
        if protocol == UDP:
            p[at + 4:at + 6] = struct.pack("!H", len(p) - at)
        p[field:field + 2] = b"\0\0"
        s = checksum(addresses + struct.pack("!II", len(p) - at, protocol) + p[at:])
        p[field:field + 2] = struct.pack("!H", s or (0xffff if protocol == UDP else 0))
    return p


def cut(vnet, p):
    """The segments that it stands for."""
    flags, kind, _, size = vnet[:4]
    p = bytearray(p)
    if kind == GSO_NONE:
        return [close_sums(p) if flags & NEEDS_CSUM else p]
    at, protocol, _ = header(p)
    ip4 = p[0] >> 4 == 4
    head = at + ((p[at + 12] >> 4) * 4 if protocol == TCP else 8)
    out = []
    for i in range(head, len(p), size):
        q = p[:head] + p[i:i + size]
        if ip4:
            q[4:6] = struct.pack("!H", (struct.unpack("!H", p[4:6])[0] + len(out)) & 0xffff)
        if protocol == TCP:
            q[at + 4:at + 8] = struct.pack("!I", (struct.unpack("!I", p[at + 4:at + 8])[0] + i - head) & 0xffffffff)
            if i + size < len(p):
                q[at + 13] &= ~(FIN | PSH)
            if i > head:
                q[at + 13] &= ~CWR
        out.append(close_sums(q))
    return out


# --- what is sent ---

class Flow:
    """Packets of one case: they have a source port of their own."""
    def __init__(self, maker, name):
        self.maker, self.name, self.seq, self.ident = maker, name, 1000, 77
        self.port = FIRST_PORT + len(maker.names)
        maker.names.append(name)

    def ip(self, protocol, body, tos=0, ttl=64, df=True, ident=None, options=b"", chain=b"", fragment=0):
        m = self.maker
        if m.version == 4:
            if ident is None:
                ident, self.ident = self.ident, self.ident + 1
            head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, tos, 0, ident, 0x4000 if df and not fragment else fragment, ttl, protocol, 0)
            p = bytearray(head + m.source + m.to + options + body)
        else:
            first = HOP if chain else FRAGMENT if fragment else protocol
            if chain:
                chain = bytes([FRAGMENT if fragment else protocol]) + chain[1:]
            if fragment:
                more, offset = fragment >> 13 & 1, fragment & 0x1fff
                chain += struct.pack("!BBHI", protocol, 0, offset << 3 | more, 4711)
            p = bytearray(struct.pack("!IHBB", 6 << 28 | tos << 20 | 0x1234, 0, first, ttl) + m.source + m.to + chain + body)
        return p

    def put(self, p, sums="open", gso=0, ecn=False):
        """sums: open (the kernel's CHECKSUM_PARTIAL), closed, wrong, none (a fragment)."""
        at, protocol, addresses = header(p)
        close_sums(p, sums != "none")
        field = at + sum_field(protocol) if protocol else 0
        vnet = (0, 0, 0, 0, 0, 0)
        if sums == "wrong":
            p[field] ^= 0x55
        if sums == "open":
            pseudo = ~checksum(addresses + struct.pack("!II", len(p) - at, protocol)) & 0xffff
            p[field:field + 2] = struct.pack("!H", pseudo)
            kind = (GSO_TCP4 if self.maker.version == 4 else GSO_TCP6) | (GSO_ECN if ecn else 0) if gso else GSO_NONE
            head = at + (p[at + 12] >> 4) * 4 if gso else 0
            vnet = (NEEDS_CSUM, kind, head, gso, at, field - at)
        self.maker.packets.append((vnet, bytes(p)))

    def tcp(self, size, flags=ACK, options=b"", ack=5, window=500, seq=None, urgent=0, sums="open", gso=0, **ip):
        if seq is None:
            seq, self.seq = self.seq, self.seq + size
        options += b"\1" * (-len(options) % 4)
        body = struct.pack("!HHIIBBHHH", self.port, 7777, seq & 0xffffffff, ack, 5 + len(options) // 4 << 4, flags, window, 0, urgent)
        payload = bytes((seq + i) * 7 & 255 for i in range(size))
        self.put(self.ip(TCP, body + options + payload, **ip), sums, gso, flags & CWR)

    def udp(self, size, sums="open", **ip):
        payload = bytes(i * 3 & 255 for i in range(size))
        self.put(self.ip(UDP, struct.pack("!HHHH", self.port, 7777, 0, 0) + payload, **ip), sums)


def stamp(t):
    return b"\1\1\x08\x0a" + struct.pack("!II", t, 99)


def sack(*blocks):
    return b"\1\1\5" + bytes([2 + 8 * len(blocks)]) + b"".join(struct.pack("!II", *b) for b in blocks)


class Maker:
    def __init__(self, version, source, to):
        self.version, self.packets, self.names = version, [], []
        self.source, self.to = ipaddress.ip_address(source).packed, ipaddress.ip_address(to).packed

    def flow(self, name):
        return Flow(self, name)

    def tcp_cases(self):
        f = self.flow("a train, its last one short")
        for i in range(12):
            f.tcp(1000 if i < 11 else 17, ACK | (PSH if i == 11 else 0), stamp(1))
        f = self.flow("PSH in the midst")
        for i in range(9):
            f.tcp(1200, ACK | (PSH if i in (3, 4) else 0), stamp(1))
        f = self.flow("ECN: CE, ECE, CWR on one each")
        for i in range(9):
            f.tcp(900, ACK | (ECE if i == 4 else CWR if i == 6 else 0), tos=3 if i == 2 else 2)
        f = self.flow("ECE on all")
        for i in range(6):
            f.tcp(900, ACK | ECE, tos=2)
        f = self.flow("FIN on the last")
        for i in range(5):
            f.tcp(800, ACK | (FIN | PSH if i == 4 else 0))
        f = self.flow("ack, window, time stamp change")
        for i in range(12):
            f.tcp(700, ACK, stamp(1 + i // 9), ack=5 + i // 3, window=500 + i // 6)
        f = self.flow("SACK blocks, on data and on pure acknowledgements")
        for i in range(10):
            f.tcp(600 if i % 3 else 0, ACK, stamp(1) + sack((50 + i // 4, 60), (70, 80)))
        f = self.flow("pure acknowledgements, alike")
        for i in range(8):
            f.tcp(0, ACK, stamp(1))
        f = self.flow("window probes and keep-alives")
        for i in range(4):
            f.tcp(500)
            f.tcp(1, window=0)
            f.tcp(0, seq=f.seq - 1)
            f.tcp(1, seq=f.seq - 1)
        f = self.flow("urgent")
        for i in range(5):
            f.tcp(500, ACK | (URG if i == 2 else 0), urgent=10 if i == 2 else 0)
        f = self.flow("SYN with data, RST in the midst")
        f.tcp(400, SYN, b"\2\4" + struct.pack("!H", 900) + b"\1\3\3\7")
        f.tcp(400)
        f.tcp(0, RST)
        f.tcp(400)
        f = self.flow("gaps, repeats, other orders")
        for s in (0, 1, 2, 4, 3, 3, 5, 7, 6, 8):
            f.tcp(1000, seq=5000 + 1000 * s)
        f = self.flow("sequence numbers wrap")
        f.seq = 0xffffffff - 2500
        for i in range(6):
            f.tcp(1000)
        f = self.flow("sizes grow and shrink")
        for size in (100, 200, 200, 300, 1, 2, 2, 1, 1300):
            f.tcp(size)
        f = self.flow("TTL and TOS change")
        for i in range(8):
            f.tcp(500, ttl=64 if i < 3 else 63, tos=0 if i < 6 else 0x48)
        f = self.flow("whole checksums")
        for i in range(6):
            f.tcp(900, sums="closed")
        f = self.flow("whole and open ones mixed, one of them wrong")
        for i in range(9):
            f.tcp(900, sums=("open", "closed", "wrong")[i % 3 if i < 6 else 0])
        f = self.flow("many of one byte")
        for i in range(70):
            f.tcp(1)

    def long_cases(self):
        f = self.flow("long, last one short, PSH")
        f.tcp(10 * 1000 + 1, ACK | PSH, stamp(1), gso=1000)
        f = self.flow("long, a multiple, FIN")
        f.tcp(8 * 1200, ACK | FIN | PSH, stamp(1), gso=1200)
        f = self.flow("long with CWR, then ECE")
        f.tcp(7 * 900 + 30, ACK | CWR, tos=2, gso=900)
        f.tcp(7 * 900, ACK | ECE, tos=2, gso=900)
        f = self.flow("long as long as can be")
        f.tcp(65535 - 20 - 32, ACK, stamp(1), gso=1300)
        f = self.flow("longs, one behind the other")
        for i in range(4):
            f.tcp(20 * 1308, ACK, stamp(1), gso=1308)

    def other_cases(self):
        f = self.flow("UDP of one size, the last one short")
        for i in range(9):
            f.udp(1000 if i < 8 else 10)
        f = self.flow("UDP of many sizes")
        for size in (0, 1, 1300, 8, 8, 0, 8):
            f.udp(size)
        f = self.flow("fragments")
        head = struct.pack("!HHHH", f.port, 7777, 2008, 0)
        f.put(f.ip(UDP, head + bytes(1000), fragment=0x2000, ident=9), "none")
        f.put(f.ip(UDP, bytes(range(250)) * 4, fragment=1008 // 8, ident=9), "none")
        if self.version == 4:
            f = self.flow("ids: one for all with DF, without, random")
            for df, ids in ((True, [4] * 5), (False, [4] * 5), (False, range(9, 14)), (False, [7, 300, 2, 0, 65535, 0])):
                for ident in ids:
                    f.tcp(500, df=df, ident=ident)
            f = self.flow("IP options")
            for i in range(5):
                f.tcp(500, options=b"\1\1\1\1" if i != 2 else b"\1\1\1\0")
            f = self.flow("UDP without a checksum")
            p = f.ip(UDP, struct.pack("!HHHH", f.port, 7777, 108, 0) + bytes(100))
            for i in range(3):
                f.put(p, "none")
        else:
            f = self.flow("a hop-by-hop header")
            pad = b"\0\0\1\4\0\0\0\0"
            for i in range(5):
                f.tcp(500, chain=pad)
            f.udp(77, chain=pad)


def flow_of(p):
    """By its source port; all later fragments are one flow."""
    at, protocol, _ = header(p)
    return p[0] >> 4, struct.unpack("!H", p[at:at + 2])[0] if protocol in (TCP, UDP) else -1


def raw(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.bind((device, 3))  # ETH_P_ALL
    return s


def send(device, source, to, path, pid):
    m = Maker(6 if ":" in source else 4, source, to)
    m.tcp_cases()
    m.long_cases()
    m.other_cases()
    s = raw(device)
    os.kill(int(pid), signal.SIGSTOP)
    for vnet, p in m.packets:
        s.sendto(struct.pack("=BBHHHH", *vnet) + p, (device, 0x0800 if m.version == 4 else 0x86dd))
    os.kill(int(pid), signal.SIGCONT)
    with open(path, "w", encoding="ascii") as f:
        for vnet, p in m.packets:
            f.writelines(q.hex() + "\n" for q in cut(vnet, p))
        for i, name in enumerate(m.names):
            f.write(f"# {m.version} {FIRST_PORT + i} {name}\n")


def end(device, source, to):
    m = Maker(4, source, to)
    f = m.flow("end")
    f.port = END_PORT
    f.udp(1)
    raw(device).sendto(struct.pack("=BBHHHH", *m.packets[0][0]) + m.packets[0][1], (device, 0x0800))


def ports_of(p):
    at, protocol, _ = header(p)
    return struct.unpack("!HH", p[at:at + 4]) if protocol in (TCP, UDP) else None


def take(device, way, port, path):
    s = raw(device)
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    s.settimeout(30)
    joined = packets = 0
    open(path + ".ready", "w", encoding="ascii").close()
    with open(path, "w", encoding="ascii") as f:
        while True:
            data, at = s.recvfrom(10 + 65536)
            p = data[10:]
            if p[0] >> 4 not in (4, 6):
                continue
            ports = ports_of(p)
            if ports and ports[0] == END_PORT:
                break
            if (at[2] == PACKET_OUTGOING) != (way == "out") or ports and int(port) not in ports or header(p)[1] in (ICMP, ICMP6):
                continue
            vnet = struct.unpack("=BBHHHH", data[:10])
            vnet = (vnet[0], vnet[1] & ~GSO_ECN, vnet[2], vnet[3])
            segments = cut(vnet, p)
            packets, joined = packets + 1, joined + (len(segments) > 1)
            f.writelines(q.hex() + "\n" for q in segments)
    print(f"  {packets} packets {way} of {device}, {joined} of them super-packets")


def has_sack(p):
    at, protocol, _ = header(p)
    i, last = at + 20, at + (p[at + 12] >> 4) * 4 if protocol == TCP else 0
    while i < last and p[i]:
        if p[i] == 5:
            return True
        i += 1 if p[i] == 1 else max(2, p[i + 1])
    return False


def is_shut(p):
    at, protocol, _ = header(p)
    return protocol == TCP and p[at + 14:at + 16] == b"\0\0" and p[at + 13] & ACK != 0


def read(path):
    flows, names = collections.defaultdict(list), {}
    with open(path, encoding="ascii") as f:
        for line in f:
            if line[0] == "#":
                _, version, port, name = line.strip().split(" ", 3)
                names[int(version), int(port)] = name
                continue
            p = bytearray.fromhex(line)
            if p[0] >> 4 == 4 and p[6] & 0x40:  # RFC 6864: with DF its id means nothing
                p[4:6] = p[10:12] = b"\0\0"
            flows[flow_of(p)].append(bytes(p))
    return flows, names


def compare(sent, taken):
    (a, names), (b, _) = read(sent), read(taken)
    wrong = 0
    for flow, packets in sorted(a.items()):
        got, name = b.get(flow, []), names.get(flow, "later fragments")
        if got == packets:
            continue
        wrong += 1
        at = next((i for i, (x, y) in enumerate(zip(packets, got)) if x != y), min(len(packets), len(got)))
        print(f"IPv{flow[0]}, {name}: {len(packets)} segments went in, {len(got)} came out; the first that differs, number {at}:")
        for what, list_ in (("in ", packets), ("out", got)):
            print(f"  {what} {list_[at][:100].hex() if at < len(list_) else 'none'}")
    for flow in b.keys() - a.keys():
        wrong += 1
        print(f"nobody sent {flow}")
    every = [p for packets in a.values() for p in packets]
    print(f"  {len(every)} segments of {len(a)} flows, {sum(map(has_sack, every))} with SACK blocks, "
          f"{sum(map(is_shut, every))} with no window; {wrong} flows differ")
    sys.exit(wrong > 0)


{"send": send, "end": end, "take": take, "compare": compare}[sys.argv[1]](*sys.argv[2:])
