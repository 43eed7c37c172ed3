#!/bin/bash
# A stranger at the door of a real daemon: whatever it sends, over UDP and TCP, no byte comes back, the
# drops are counted, its connections are closed, the daemon does not grow, and its members notice nothing.
# test: timeout=60
. tests/net/lib.bash
lab <<'END'
seed none
ann  none
evil none
thug none
END
seed seed seed
member ann ann seed
await ann
within 10 reach ann $SEED_IP || fail "no traffic to begin with"
s=$($natlab addr seed)
drops() { r seed status --json | jq '[.drops[]] | add // 0'; }
rss() { awk '/VmRSS/ { print $2 }' "/proc/${PID[seed]}/status"; }

cat >"$TMPDIR/stranger.py" <<'PY'
import os, random, select, socket, struct, sys, threading, time
what, host, port = sys.argv[1], sys.argv[2], 7464
random.seed(1)
SIZES = {0x40: 344, 0x41: 182, 0x43: 64}
wrong = []


def junk(n, first=None):
    b = bytearray(os.urandom(n))
    if first is not None and n > 4:
        b[0:4] = bytes([first, 1, 0, 0])
    return bytes(b)


def udp(count):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('', 4000))
    for i in range(count):
        first = (None, 0x40, 0x41, 0x42, 0x43, 0x50)[i % 6]
        n = SIZES[first] if first in SIZES and i % 5 else random.randrange(0, 1400)
        s.sendto(junk(n, first), (host, port))
        if i % 50 == 49:
            time.sleep(0.01)
    time.sleep(1)
    got = 0
    while select.select([s], [], [], 0)[0]:
        got += len(s.recv(65536))
    print(f'{count} datagrams sent, {got} bytes came back')
    if got:
        wrong.append(f'{got} bytes came back over UDP')


def connect():
    s = socket.create_connection((host, port), 3)
    s.settimeout(15)
    return s


def frame(b):
    return struct.pack('>H', len(b)) + b


def closed(name, send, limit, drip=False):
    """Sends, then waits for the other end to close without a byte."""
    s, t, got, over = connect(), time.monotonic(), b'', False
    try:
        for b in send:
            s.sendall(b)
        while time.monotonic() - t < limit + 1 and not over:
            if select.select([s], [], [], 0.5)[0]:
                b = s.recv(4096)
                got, over = got + b, not b
            elif drip:
                s.sendall(b'\0')  # never complete
    except (ConnectionResetError, BrokenPipeError):
        over = True
    took = time.monotonic() - t
    print(f'{name}: {"closed" if over else "OPEN"} after {took:.1f} s, {len(got)} bytes')
    if got:
        wrong.append(f'{name}: {len(got)} bytes came back')
    if not over or took > limit:
        wrong.append(f'{name}: not closed within {limit} s')
    s.close()


def tcp(cases):
    threads = [threading.Thread(target=closed, args=c) for c in cases]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def ninth():
    first = [connect() for _ in range(8)]
    time.sleep(0.3)
    refused = 0
    for _ in range(4):
        try:
            s = connect()
            refused += bool(select.select([s], [], [], 2)[0]) and s.recv(1) == b''
        except (ConnectionResetError, ConnectionRefusedError):
            refused += 1
    still = sum(not select.select([s], [], [], 0)[0] for s in first)
    print(f'8 connections, {still} of them open; of 4 more {refused} refused')
    if refused != 4 or still != 8:
        wrong.append(f'of 8 connections {still} stayed, of 4 more {refused} were refused')


hello = frame(junk(344, 0x40))
if what == 'udp':
    udp(int(sys.argv[3]))
elif what == 'ninth':
    ninth()
else:
    tcp([('silent', [], 6.5), ('junk', [frame(junk(300))], 2), ('too long', [b'\xff\xff'], 2),
         ('empty frame', [b'\0\0'], 2), ('not a HELLO1', [frame(junk(182, 0x41))], 2),
         ('half a frame', [b'\x01\x58' + junk(100)], 6.5), ('byte by byte', [b'\x01\x58'], 6.5, True)])
    tcp([('a HELLO1 with a wrong key', [hello], 6.5),
         ('the same, then half a frame', [hello, b'\x01\x00\x50'], 11.5)])
for w in wrong:
    print('WRONG', w)
PY
evil() { on "$1" python3 "$TMPDIR/stranger.py" "${@:2:1}" "$s" "${@:3}" >"$TMPDIR/$2.out" 2>&1 || bad "stranger.py $2: $(tail -n 1 "$TMPDIR/$2.out")"; }

evil thug tcp &
tcp=$!
stream ann $SEED_IP 15
echo "== UDP"
evil evil udp 3000 # the first may allocate what stays
before=$(drops) grown=$(rss)
evil evil udp 20000
after=$(drops) now=$(rss)
echo "$(<"$TMPDIR/udp.out"); counted: $((after - before)); RSS from $grown to $now kB"
[[ $((after - before)) -ge 18000 ]] || bad "of 20000 datagrams only $((after - before)) were counted as dropped"
[[ $now -le $((grown + 256)) ]] || bad "RSS grew from $grown to $now kB"
echo "== TCP"
evil evil ninth
wait $tcp || true
cat "$TMPDIR/ninth.out" "$TMPDIR/tcp.out"
while read -r _ line; do bad "$line"; done < <(grep -h '^WRONG' "$TMPDIR"/{udp,ninth,tcp}.out)
silence ann
echo "meanwhile: $answered of $sent pings between members answered, longest silence $gap ms"
[[ $answered -ge $((sent * 95 / 100)) ]] || bad "members lost $((sent - answered)) of $sent pings meanwhile"
verdict
