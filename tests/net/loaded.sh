#!/bin/bash
# Under full load the daemons still keep their ring: a pair moves as much as the machine can, both ways, and then
# floods with small packets; nobody is taken for dead, a killed node is noticed, a newcomer gets in, and others' pings pass.
# test: timeout=150 alone
. tests/net/lib.bash
lab <<'END'
ann none
ben none
cat none delay=2
dan port-restricted
eve none
fay none
END
seed ann ann
member ben ben ann
member cat cat ann
member dan dan1 ann
member eve eve ann
for node in ben cat dan eve; do await $node; done
ann=$(ip4 ann) ben=$(ip4 ben)
within 12 direct ann ben || { reach ann "$ben" || true; within 12 direct ann ben || fail "no direct path between ann and ben"; }
within 12 reach cat "$ann" || fail "cat does not reach ann"
within 12 reach dan "$ben" || fail "dan does not reach ben"
eve_id=$(node_id eve)
holds_eve() { r "$1" status --json | jq -e --arg id "$eve_id" '[.ring.left[], .ring.right[]] | index($id)' >/dev/null; }
for node in ann ben cat dan; do within 20 holds_eve $node || fail "$node does not know eve"; done

for node in ann ben cat dan; do
  r $node watch --json >"$TMPDIR/$node.watch" 2>/dev/null &
  PID[watch-$node]=$!
done
sleep 0.5

SECONDS_OF_LOAD=80
pour() { # pour FROM TO-ADDRESS PORT: TCP, as much as goes through
  $natlab exec "${HOST[$1]}" timeout $SECONDS_OF_LOAD socat -u OPEN:/dev/zero "TCP:$2:$3" >/dev/null 2>&1 &
}
$natlab exec "${HOST[ben]}" timeout $SECONDS_OF_LOAD socat -u TCP-LISTEN:5001,reuseaddr OPEN:/dev/null >/dev/null 2>&1 &
$natlab exec "${HOST[ann]}" timeout $SECONDS_OF_LOAD socat -u TCP-LISTEN:5002,reuseaddr OPEN:/dev/null >/dev/null 2>&1 &
within 5 listens ben 5001 -t || fail "the receiver does not listen"
within 5 listens ann 5002 -t || fail "the receiver does not listen"
rx0=$(peer ben ann rx_bytes)
pour ann "$ben" 5001
pour ben "$ann" 5002
sleep 3
t0=$(now_ms)
stream cat "$ann" 20
stream dan "$ben" 20
kill9 eve
forgotten() { local n; for n in ann ben cat dan; do ! holds_eve $n || return 1; done; }
within 60 forgotten || bad "after 60 s somebody still has a dead neighbour"
echo "a killed node is out of everybody's ring after $(($(now_ms) - t0)) ms"
t=$(now_ms)
member fay fay ann
await fay
within 5 reach fay "$ben" || bad "a newcomer does not reach ben"
echo "a newcomer is in and reaches ben after $(($(now_ms) - t)) ms"
for node in cat dan; do
  silence $node
  echo "$node: $answered of $sent pings answered, longest silence $gap ms"
  [[ $gap -le 2000 && $((answered * 100)) -ge $((sent * 97)) ]] || bad "$node's pings suffer: $answered of $sent, $gap ms"
done
rx=$(($(peer ben ann rx_bytes) - rx0)) t=$(($(now_ms) - t0 + 3000))
echo "meanwhile ben got $((rx / 1000 / t)) MB/s from ann"
[[ $rx -gt 100000000 ]] || bad "no load: $rx bytes"

# A program that floods with small packets fills the device's queue, and what else waits there is lost; the ring holds.
lost0=$(r ann status --json | jq '[.drops[]] | add // 0')
$natlab exec "${HOST[ann]}" timeout 10 socat -u -b 64 OPEN:/dev/zero "UDP-SENDTO:$ben:9" >/dev/null 2>&1 || true
echo "after 10 s of small packets: $(($(r ann status --json | jq '[.drops[]] | add // 0') - lost0)) drops counted by ann"
within 3 reach cat "$ann" || bad "after the flood cat does not reach ann"
grep -h peer-down "$TMPDIR"/*.watch | grep -q "$eve_id" || bad "nobody's watch told of the killed node: what it does not tell proves nothing"
for node in ann ben cat dan; do
  kill "${PID[watch-$node]}" 2>/dev/null || true
  jq -c --arg eve "$eve_id" 'select(.event == "peer-down" and .id != $eve)' "$TMPDIR/$node.watch" >"$TMPDIR/down"
  [[ ! -s $TMPDIR/down ]] || { bad "$node took somebody alive for dead"; head -3 "$TMPDIR/down"; }
done
for node in ann ben cat dan fay; do
  [[ $(r $node status --json | jq -r .state) == joined ]] || bad "$node is not joined"
done
verdict
