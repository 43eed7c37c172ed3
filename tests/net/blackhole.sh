#!/bin/bash
# test: timeout=240
# A hop of the underlay carries 1280 bytes and says nothing about what it drops: from the start, and from the midst of a
# transfer on, under cubic and BBR, IPv4 and IPv6 inside. Then the hop is gone: the path is found wide again.
. tests/net/lib.bash
. tests/net/transfer.bash
lab <<'END'
ann none delay=5 rate=16mbit
ben none delay=5
END
silent_core "icmp type destination-unreachable" "icmpv6 type packet-too-big"
hop() { # hop BYTES: what the hop between ann and ben carries
  local site
  for site in ann ben; do on core ip link set dev $site mtu "$1"; done
}
mtu_is() { [[ $(peer ann ben mtu) == "$1" && $(peer ben ann mtu) == "$1" ]]; } # mtu_is BYTES: of the path, both ways
large() { on ann ping -n -q -c 1 -W 1 -M "do" -s $((1500 - 28)) "$($natlab addr ben)"; } # on the underlay itself
wide_again() { # by itself, under large packets both ways
  on ann ping -n -q -c 1 -W 1 -s 1000 "$ben" >/dev/null || return 1
  mtu_is 1380
}
narrow=$((1280 - 28 - 32 - 3)) # IPv4, UDP; DATA; kind, network, flags

large >/dev/null || fail "the underlay does not carry 1500 bytes"
hop 1280
! large >"$TMPDIR/large" || fail "the hop carries 1500 bytes"
! grep -qi "frag\|too" "$TMPDIR/large" || fail "the hop is not silent: $(cat "$TMPDIR/large")"

seed ann ann
member ben ben ann
await ben
ann=$(ip4 ann) ben=$(ip4 ben)
ann6=$(r ann status --json | jq -r '.networks[0].ipv6') ben6=$(r ben status --json | jq -r '.networks[0].ipv6')
blob 4

echo "== from the start"
carry ben ann "$ann" 20 # nothing was sent before
within 5 mtu_is "$narrow" || bad "its MTU: $(peer ann ben mtu), $(peer ben ann mtu), not $narrow"
carry ann ben "$ben" 20
carry ann ben "[$ben6]" 20
carry ben ann "[$ann6]" 20

echo "== packets"
sized() { on ann ping -n -c 3 -i 0.2 -W 1 -M "$1" -s $(($2 - $3)) "$4"; } # sized PMTUD BYTES HEADERS ADDRESS
sized "do" $narrow 28 "$ben" >/dev/null || bad "IPv4 of $narrow bytes does not pass"
sized "do" $((narrow + 10)) 28 "$ben" >"$TMPDIR/out" 2>&1 || true # the first is answered by ICMP, the kernel refuses the others
grep -q "mtu *= *$narrow" "$TMPDIR/out" || bad "nobody is told that $narrow bytes pass: $(cat "$TMPDIR/out")"
sized dont 1380 28 "$ben" >/dev/null || bad "IPv4 that may be fragmented is not"
sized "do" 1280 48 "$ben6" >/dev/null || bad "IPv6 of 1280 bytes does not pass"
sized "do" 1300 48 "$ben6" >"$TMPDIR/out" 2>&1 || true
grep -q "mtu *= *1280" "$TMPDIR/out" || bad "nobody is told that IPv6 of 1280 bytes passes: $(cat "$TMPDIR/out")"
for node in ann ben; do on $node ip route flush cache; on $node ip -6 route flush cache; done # what they were told

again() { # again: both daemons anew, over a wide hop
  local node
  for node in ann ben; do kill "${PID[$node]}"; wait "${PID[$node]}" || true; done
  hop 1500
  start ann; start ben
  await ann; await ben
  within 12 reach ann "$ben" || fail "ann does not reach ben"
}
echo "== wide again"
hop 1500
t=$(now_ms)
within 40 wide_again || fail "still $(peer ann ben mtu), $(peer ben ann mtu) 40 s after the hop carries 1500 bytes"
echo "  after $(($(now_ms) - t)) ms"

for CONGESTION in cubic bbr; do
  if ! grep -qw $CONGESTION /proc/sys/net/ipv4/tcp_available_congestion_control; then
    echo "== shrinking under a transfer, $CONGESTION: SKIPPED, not in this kernel"
    continue
  fi
  for to in "$ben" "[$ben6]"; do
    again
    within 5 mtu_is 1380 || bad "its MTU: $(peer ann ben mtu), $(peer ben ann mtu), not 1380"
    echo "== shrinking under a transfer, $CONGESTION"
    (sleep 1; hop 1280) &
    pid=$!
    carry ann ben "$to" 20
    wait $pid
  done
done
unset CONGESTION

echo "== a device of 1900 bytes, over 1500 and over 2100"
for node in ann ben; do
  sed -i 's/^\[network home\]/&\nmtu = 1900/' "$TMPDIR/$node/ringlet.conf"
done
again
within 5 mtu_is $((1500 - 28 - 32 - 3)) || bad "over 1500: $(peer ann ben mtu), $(peer ben ann mtu)"
carry ann ben "$ben" 20; carry ben ann "[$ann6]" 20
for node in ann ben; do on $node ip link set dev wan mtu 2100; done
hop 2100
mtu_is_full() {
  sized dont 1400 28 "$ben" >/dev/null || return 1
  mtu_is 1900
}
within 40 mtu_is_full || bad "over 2100: $(peer ann ben mtu), $(peer ben ann mtu)"
carry ann ben "$ben" 20; carry ben ann "[$ann6]" 20
verdict
