#!/bin/bash
# test: timeout=180
# A relayed path, of which the hops behind the relay carry 1280 bytes and say nothing: bytes arrive, both ways, and packets
# that do not fit are told of or go in parts. Then the hops are wide, and become narrow in the midst of a transfer.
. tests/net/lib.bash
. tests/net/transfer.bash
lab <<'END'
seed none delay=2
ann  port-restricted delay=2 rate=16mbit
ben  full-cone delay=2
END
silent_core "icmp type destination-unreachable"
$natlab cut ann ben
hops() { # hops BYTES: what those to the relay's other side carry
  local site
  for site in ben seed; do on core ip link set dev $site mtu "$1"; done
}
hops 1280
seed seed seed
member ann ann1 seed
member ben ben1 seed
await ann; await ben
ann=$(ip4 ann) ben=$(ip4 ben)
ann6=$(r ann status --json | jq -r '.networks[0].ipv6') ben6=$(r ben status --json | jq -r '.networks[0].ipv6')
within 12 reach ann "$ben" || fail "ann does not reach ben through the seed"
relayed() { [[ $(path ann ben) == relayed && $(path ben ann) == relayed ]]; }
within 12 relayed || fail "not relayed: $(path ann ben), $(path ben ann)"
narrow=$((1280 - 28 - 32 - 5 - 32 - 3)) # IPv4, UDP; DATA to the relay; RELAYED; DATA; kind, network, flags
blob 4
carry ann ben "$ben" 20; carry ben ann "$ann" 20
carry ann ben "[$ben6]" 20; carry ben ann "[$ann6]" 20
relayed || bad "no longer relayed: $(path ann ben), $(path ben ann)"
[[ $(peer ann ben mtu) == "$narrow" ]] || bad "ann: $(peer ann ben mtu), not $narrow"
[[ $(peer ben ann mtu) == "$narrow" ]] || bad "ben: $(peer ben ann mtu), not $narrow"
on ann1 ping -n -q -c 3 -i 0.2 -W 1 -M "do" -s 1232 "$ben6" >/dev/null || bad "IPv6 of 1280 bytes does not pass"
on ann1 ping -n -q -c 3 -i 0.2 -W 1 -M dont -s 1352 "$ben" >/dev/null || bad "IPv4 that may be fragmented is not"

mtu_is() { [[ $(peer ann ben mtu) == "$1" && $(peer ben ann mtu) == "$1" ]]; }
relayed_wide() {
  on ann1 ping -n -q -c 1 -W 1 -s 1200 "$ben" >/dev/null || return 1
  relayed && mtu_is 1380
}
for to in "$ben" "[$ben6]"; do
  hops 1500
  restart ann ben # its search for more may be minutes away
  within 30 relayed_wide || fail "not relayed and wide: $(path ann ben), $(path ben ann), $(peer ann ben mtu), $(peer ben ann mtu)"
  carry_while ann ben "$to" 20 hops 1280
  relayed || bad "no longer relayed: $(path ann ben), $(path ben ann)"
  [[ $(peer ann ben mtu) == "$narrow" ]] || bad "ann: $(peer ann ben mtu), not $narrow"
done
verdict
