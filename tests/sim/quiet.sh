#!/bin/bash
# tests/sim/quiet.sh - does --queue quiet change what the nodes do? Rings at rest and with orderly leaving, without loss: the same near links,
# along the same kinds of path, at every node, whether keep-alives that must succeed are queued or only charged; and as many links in all and
# as many datagrams within 2 and 1 % (5 % where runs differ). (Which of two far links of about one round trip is held hangs on which was met first.) Many must have been charged, or the test would compare a thing with itself. Who asks around a silent path, after a crash or a
# NAT, asks the peer that it heard last, and that may be another one while a charged keep-alive would be on its way:
# there the ring, the look-ups and the number of links are compared.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

cat >"$out/nat.sim" <<'SIM'
nodes 100
network regions 6
nat none 20% full-cone 40% restricted 10% port-restricted 20% symmetric 10%
at 0s   join all over 20s seeds 4
end 4m
expect ring complete
SIM
cat >"$out/rest.sim" <<'SIM'
nodes 300
network regions 6
at 0s   join all over 20s seeds 8
end 5m
SIM
cat >"$out/leave.sim" <<'SIM'
nodes 200
network constant 50ms
at 0s   join all over 20s seeds 3
at 100s leave 20% over 10s
end 5m
SIM
cat >"$out/crash.sim" <<'SIM'
nodes 200
network regions 6 loss 1%
at 0s   join all over 20s seeds 3
at 100s kill 20%
at 150s lookups 500 over 10s
end 4m
expect ring complete
expect ring complete after kill within 30s
expect lookups ok >= 99.9%
expect lookups wrong <= 0
SIM

value() { jq -r ".$2" "$out/$1.json"; }

for scenario in rest leave nat crash; do
  for queue in all quiet; do
    if ! build/ringlet-sim "$out/$scenario.sim" --seed 3 --queue "$queue" --json "$out/$queue.json" >"$out/log"; then
      echo "FAILED  $scenario, --queue $queue:"; cat "$out/log"; failed=1
    fi
  done
  if [[ $(value quiet vouched) -lt 1000 || $(value all vouched) != 0 ]]; then
    echo "FAILED  $scenario: $(value quiet vouched) keep-alives were charged with quiet, $(value all vouched) without"; failed=1
  fi
  if [[ $scenario == [rl]* && $(value all links_hash) != "$(value quiet links_hash)" ]]; then
    echo "FAILED  $scenario: near links differ: $(value all links_hash) $(value quiet links_hash)"; failed=1
  fi
  all=$(value all links.direct) quiet=$(value quiet links.direct)
  if ((quiet * 50 > all * 51 || quiet * 50 < all * 49)); then
    echo "FAILED  $scenario: $all direct links, with quiet $quiet"; failed=1
  fi
  all=$(value all datagrams.sent) quiet=$(value quiet datagrams.sent)
  off=1; [[ $scenario == [rl]* ]] || off=5 # another seed changes the count by far more
  if ((quiet * 100 > all * (100 + off) || quiet * 100 < all * (100 - off))); then
    echo "FAILED  $scenario: $all datagrams sent, with quiet $quiet"; failed=1
  fi
  echo "$scenario: $(value quiet vouched) keep-alives charged, $(value all events) and $(value quiet events) events, links $(value all links_hash)"
done
exit $failed
