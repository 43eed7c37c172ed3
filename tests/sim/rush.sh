#!/bin/bash
# tests/sim/rush.sh - what a newcomer costs all others together, in datagrams and memory, when many come at once (docs/decisions/0028).
#
# The bounds lie a quarter above what is seen; before that record 1,000 newcomers within 10 s had sent 408 to 427 datagrams each and 4,882 to 5,242 bytes of the pools.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

cat >"$out/rush.sim" <<'SIM'
nodes 1000
network regions 6 loss 1%
at 0s  join all over 10s seeds 3
end 20s
expect ring complete after join within 10s
SIM
build/ringlet-sim "$out/rush.sim" --repeat 3 --json "$out/json" >"$out/log" || { cat "$out/log"; failed=1; }
while read -r seed datagrams pools; do
  echo "seed $seed: $datagrams datagrams a node, $pools bytes of pools a node at their largest"
  ((datagrams <= 320 && pools <= 3300)) || { echo "FAILED  more than 320, 3,300"; failed=1; }
done < <(jq -r '.runs[] | "\(.seed) \(.datagrams.sent / .nodes | floor) \(.memory.pools / .nodes | floor)"' "$out/json")
exit $failed
