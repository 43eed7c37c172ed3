#!/usr/bin/env python3
"""tests/net/flows.py hear PORT SECONDS | say ADDRESS PORT FLOWS PACKETS [PAUSE_MS] - datagrams in many flows, each numbered.

say: FLOWS sockets, of a port each, send PACKETS datagrams each, by turns, of sizes that differ. hear: prints, when nothing has come for
a second, how many came, of how many flows, how many before one that was sent earlier, and how many twice; ends after SECONDS.
"""
import socket
import struct
import sys
import time


def say(address, port, flows, packets, pause_ms=0):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(flows)]
    for s in sockets:
        s.connect((address, port))
    for number in range(packets):
        for flow, s in enumerate(sockets):
            data = struct.pack('!II', flow, number) + bytes(40 + (flow * 97 + number * 13) % 1200)
            try:
                s.send(data)
            except BlockingIOError:
                pass
        if pause_ms:
            time.sleep(pause_ms / 1000)


def hear(port, seconds):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    s.bind(('::', port))
    last, seen = {}, set()
    came = late = twice = 0
    end = time.monotonic() + seconds
    s.settimeout(seconds)
    while time.monotonic() < end:
        try:
            data = s.recv(2048)
        except TimeoutError:
            break
        flow, number = struct.unpack('!II', data[:8])
        came += 1
        twice += (flow, number) in seen
        late += number < last.get(flow, -1)
        seen.add((flow, number))
        last[flow] = max(number, last.get(flow, -1))
        s.settimeout(1)
    print(f'{came} {len(last)} {late} {twice}')


if __name__ == '__main__':
    if sys.argv[1] == 'say':
        say(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        hear(int(sys.argv[2]), float(sys.argv[3]))
