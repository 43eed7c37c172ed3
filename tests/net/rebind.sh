#!/bin/bash
# A home router restarts and gets a new public address. The seed is dead; a third member, reachable,
# lives. Traffic goes on, and is direct again.
. tests/net/lib.bash
couple port-restricted pub
pub=$(ip4 pub)
within 12 reach ann "$pub" || fail "ann does not reach pub"
kill9 seed

echo "== ann's router is new; both send"
stream ann "$ben" 12
stream ben "$ann" 12
sleep 1
$natlab rebind ann
t=$(now_ms)
for node in ann ben; do
  silence $node
  echo "$node sends: $answered of $sent answered, longest silence $gap ms"
  [[ $gap -lt 10000 ]] || bad "$node's traffic did not resume"
done
direct_again "$t"
within 10 reach pub "$ann" || bad "pub lost ann"
verdict
