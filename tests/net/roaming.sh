#!/bin/bash
# A host moves: another subnet of its LAN, then another public address. Traffic goes on by itself.
. tests/net/lib.bash
couple full-cone

moved() { # moved WHAT: judges what the two streams saw, and the path afterwards
  local node
  for node in ann ben; do
    silence $node
    echo "$1, $node sends: $answered of $sent answered, longest silence $gap ms"
    [[ $gap -lt 7000 ]] || bad "$1: traffic of $node did not resume"
  done
  if within 15 direct ann ben; then echo "$1: direct again"; else bad "$1: not direct again, '$(path ann ben)'"; fi
  # the seed, too, follows
  within 15 reach seed "$ann" || bad "$1: the seed lost ann"
}

echo "== ann's host gets another address in another subnet"
on ann ip address add 192.168.77.1/24 dev lan
stream ann "$ben" 9; stream ben "$ann" 9
sleep 1
dev=$(on ann1 ip -j route get 1.1.1.1 | jq -r '.[0].dev')
on ann1 sh -c "ip address flush dev $dev scope global && ip address add 192.168.77.11/24 dev $dev && ip route replace default via 192.168.77.1"
moved "new subnet"

echo "== ann's site gets another public address"
stream ann "$ben" 9; stream ben "$ann" 9
sleep 1
$natlab rebind ann
moved "new public address"
verdict
