#!/bin/bash
# test: timeout=150
# The underlay is IPv6, and a hop of it carries 1280 bytes, the least that IPv6 allows, and says nothing: from the start, and from the
# midst of a transfer on, IPv4 and IPv6 inside.
. tests/net/lib.bash
. tests/net/transfer.bash
lab <<'END'
ann none ipv6=yes delay=5 rate=16mbit
ben none ipv6=yes delay=5
END
silent_core "icmpv6 type packet-too-big"
HOST[ann]=ann HOST[ben]=ben
under() { on "$1" ip -6 -o addr show dev wan scope global | awk '{ split($4, a, "/"); print a[1] }'; }
hop() {
  local site
  for site in ann ben; do on core ip link set dev $site mtu "$1"; done
}
mtu_is() { [[ $(peer ann ben mtu) == "$1" && $(peer ben ann mtu) == "$1" ]]; }
narrow=$((1280 - 48 - 32 - 3)) # IPv6, UDP; DATA; kind, network, flags
hop 1280
r ann create home --host ann --range 10.77.0.0/16 --ip $SEED_IP --listen '[::]:7464' --advertise "[$(under ann)]:7464" >/dev/null
start ann; await ann
r ann invite >"$TMPDIR/token"
r ben join - --host ben --listen '[::]:7464' <"$TMPDIR/token" >/dev/null
start ben; await ben
ann=$(ip4 ann) ben=$(ip4 ben)
ann6=$(r ann status --json | jq -r '.networks[0].ipv6') ben6=$(r ben status --json | jq -r '.networks[0].ipv6')
blob 4

echo "== from the start"
carry ben ann "$ann" 20; carry ann ben "[$ben6]" 20; carry ann ben "$ben" 20; carry ben ann "[$ann6]" 20
[[ $(peer ann ben endpoint) == "[$(under ben)]:7464" ]] || bad "not over IPv6: $(peer ann ben endpoint)"
within 5 mtu_is $narrow || bad "its MTU: $(peer ann ben mtu), $(peer ben ann mtu), not $narrow"
on ann ping -n -q -c 3 -i 0.2 -W 1 -M "do" -s 1232 "$ben6" >/dev/null || bad "IPv6 of 1280 bytes does not pass"

for to in "$ben" "[$ben6]"; do
  hop 1500
  restart ann ben
  wide() { reach ann "$ben" && mtu_is 1380; }
  within 20 wide || bad "its MTU: $(peer ann ben mtu), $(peer ben ann mtu), not 1380"
  carry_while ann ben "$to" 20 hop 1280
  [[ $(peer ann ben mtu) == $narrow ]] || bad "ann's MTU: $(peer ann ben mtu), not $narrow" # ben sends nothing large
done
verdict
