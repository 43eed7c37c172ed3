#!/bin/bash
# test: timeout=120
# Bytes through the tunnel arrive as they were, both ways, IPv4 and IPv6: with super-packets at both ends, at neither,
# and at one; over links that lose whole trains, and over one that loses, exchanges and doubles datagrams.
. tests/net/lib.bash
. tests/net/transfer.bash
three_hosts 2 3 0.3
ann6=$(r ann status --json | jq -r '.networks[0].ipv6') ben6=$(r ben status --json | jq -r '.networks[0].ipv6')
within 12 reach ann "$ben" || fail "ann does not reach ben"

both() { # both MEGABYTES
  blob "$1"
  carry ann ben "$ben" 20; carry ben ann "$ann" 20
  carry ann ben "[$ben6]" 20; carry ben ann "[$ann6]" 20
}
echo "== super-packets at both ends"
both 8
echo "== over loss and other orders"
blob 2
carry cat ann "$ann" 30; carry ann cat "$(ip4 cat)" 30
replayed=$(r ann status --json | jq '[.drops | to_entries[] | select(.key | test("replay")) | .value] | add // 0')
[[ $replayed -gt 0 ]] || bad "nothing came twice: $(r ann status --json | jq -c .drops)"
echo "  dropped as replayed by ann: $replayed"
echo "== at neither end"
offload ben no; offload ann no
within 12 reach ann "$ben" || fail "ann does not reach ben"
within 12 reach ben "$ann" || fail "ben does not reach ann"
both 4
echo "== at one"
offload ben yes
within 12 reach ann "$ben" || fail "ann does not reach ben"
within 12 reach ben "$ann" || fail "ben does not reach ann"
both 4
verdict
