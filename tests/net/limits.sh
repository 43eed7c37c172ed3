#!/bin/bash
# test: timeout=90
# A relay whose channels are taken says in its log which limit is in the way, once; the others still get through, over the ring. With the
# default's limits nobody is in anybody's way.
. tests/net/lib.bash
{
  echo "seed none delay=2"
  printf '%s symmetric delay=2\n' ann ben cat dan
} | lab
seed seed seed
sed -i '$a[limits]\nchannels = 1' "$TMPDIR/seed/ringlet.conf"
for node in ann ben cat dan; do member $node ${node}1 seed; done
again() { kill "${PID[seed]}"; wait "${PID[seed]}" || true; start seed; await seed; }
again
for node in ann ben cat dan; do await $node; done
ben=$(ip4 ben) dan=$(ip4 dan)
ways() { echo "$(path ann ben) $(path cat dan)"; }
all_ask() { reach ann "$ben"; reach cat "$dan"; }
full() { all_ask; grep -q 'a limit is reached: channels = 1: .*`channels` under \[limits\] in ringlet.conf' "$TMPDIR/seed.log"; }
within 20 full || bad "the relay does not say that its channels are taken: $(ways)"
sleep 5
all_ask || true
[[ $(grep -c 'a limit is reached: channels' "$TMPDIR/seed.log") == 1 ]] || bad "it says so again and again"
[[ $(ways) != "relayed relayed" ]] || bad "two pairs through one channel"
within 10 reach ann "$ben" || bad "ann does not reach ben"
within 10 reach cat "$dan" || bad "cat does not reach dan"
sed -i '/^\[limits\]/,$d' "$TMPDIR/seed/ringlet.conf"
again
relayed() { all_ask; [[ $(ways) == "relayed relayed" ]]; }
within 40 relayed || bad "with the default's limits: $(ways)"
[[ $(grep -c 'a limit is reached' "$TMPDIR/seed.log") == 1 ]] || bad "a limit of the default's is reached: $(grep 'a limit' "$TMPDIR/seed.log")"
verdict
