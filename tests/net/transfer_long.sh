#!/bin/bash
# test: timeout=600 long alone
# More bytes: a gigabyte over loss, some over other orders and doubles, through a relay, and past a daemon that stands still for 10 s.
. tests/net/lib.bash
. tests/net/transfer.bash
three_hosts 5 5 0.5

echo "== a gigabyte, and 200 MB back"
blob 1024
carry ann ben "$ben" 120
blob 200
carry ben ann "$ann" 60
echo "== other orders, and doubles"
blob 60
carry cat ann "$ann" 90; carry ann cat "$cat" 90

echo "== a daemon that stands still"
blob 400
(sleep 0.5; kill -STOP "${PID[ben]}"; sleep 10; kill -CONT "${PID[ben]}") &
stopper=$!
carry ann ben "$ben" 90
wait $stopper
within 5 reach ann "$ben" || bad "ann does not reach ben any more"
within 5 reach ben "$ann" || bad "ben does not reach ann any more"

echo "== by a relay"
$natlab cut ben cat
within 20 reach cat "$ben" || fail "cat does not reach ben through ann"
blob 20
carry cat ben "$ben" 90; carry ben cat "$cat" 90
verdict
