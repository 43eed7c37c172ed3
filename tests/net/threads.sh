#!/bin/bash
# test: timeout=240
# Daemons with several lanes, against one with one lane and against each other: bytes arrive as they were, both ways and in several
# connections at once; no datagram of a flow overtakes another, though flows go through different lanes; a moved peer and a stopped
# one are found again; RELAYED passes; wrong numbers are refused.
. tests/net/lib.bash
. tests/net/transfer.bash
lab <<END
ann none
ben none
cat none
dan symmetric
eve symmetric
END
seed ann ann
HOST[ben]=ben HOST[cat]=cat HOST[dan]=dan1 HOST[eve]=eve1
for node in ben cat dan eve; do
  r ann invite >"$TMPDIR/token"
  r $node join - --host $node <"$TMPDIR/token" >/dev/null
done

echo "== numbers"
for wrong in 0 17 two; do
  status=0
  r ben run --threads $wrong >"$TMPDIR/out" 2>&1 || status=$?
  [[ $status == 2 ]] && grep -q 'threads must be a number from 1 to 16' "$TMPDIR/out" ||
    bad "--threads $wrong: $status, $(cat "$TMPDIR/out")"
done
sed -i 's/^\[node\]/&\nthreads = 17/' "$TMPDIR/ben/ringlet.conf"
status=0
r ben run >"$TMPDIR/out" 2>&1 || status=$?
[[ $status == 1 ]] && grep -q 'not a number of threads: `17`' "$TMPDIR/out" || bad "threads = 17: $status, $(cat "$TMPDIR/out")"
sed -i 's/^threads = 17/threads = 2/' "$TMPDIR/ben/ringlet.conf"
start ben
start cat --threads 4
await ben; await cat
ann=$(ip4 ann) ben=$(ip4 ben) cat=$(ip4 cat)
for one in "ann 1" "ben 2" "cat 4"; do
  set -- $one
  got=$(r "$1" status --json | jq .threads)
  [[ $got == "$2" ]] || fail "$1 has threads: $got, not $2; $(grep -h threads "$TMPDIR/$1.log" || true)"
  n=$(find "/proc/${PID[$1]}/task" -mindepth 1 -maxdepth 1 | wc -l)
  [[ $n -ge $2 ]] || bad "$1 has $n threads, not $2"
done
for pair in "ben $ann" "cat $ann" "ben $cat" "cat $ben"; do
  set -- $pair
  within 12 reach "$1" "$2" || fail "$1 does not reach $2"
done

# flows FROM TO ADDRESS: no datagram after a later one of its flow, none twice; not all need to come. Where a path was moved meanwhile, as on
# a busy machine it may be, what went by the old one may be late whatever the lanes do: once more then.
flows() {
  local tries before
  for tries in 1 2 3; do
    before=$(moves)
    numbered "$@"
    [[ $late != 0 && $before != "$(moves)" ]] || break
    echo "  a path was moved meanwhile: once more"
  done
  [[ $many == 64 && $late == 0 && $twice == 0 && $came -gt 6400 ]] || bad "$1 to $2: $(cat "$TMPDIR/heard")"
}
moves() { cat "$TMPDIR"/*.log | grep -c ' path to ' || true; }
numbered() {
  $natlab exec "${HOST[$2]}" tests/net/flows.py hear 6000 20 >"$TMPDIR/heard" 2>>"$TMPDIR/$2.log" &
  local pid=$!
  within 15 listens "$2" 6000 -u || fail "flows.py hears nothing"
  on "${HOST[$1]}" tests/net/flows.py say "$3" 6000 64 400 2
  wait $pid || true
  read -r came many late twice <"$TMPDIR/heard"
  echo "  $1 to $2: $came of 25600 in $many flows, $late late, $twice twice"
}
# four FROM TO ADDRESS: connections at once
four() {
  local i pids=() senders=()
  for i in 1 2 3 4; do
    $natlab exec "${HOST[$2]}" timeout 30 socat -u "TCP6-LISTEN:510$i,reuseaddr,ipv6only=0" "OPEN:$TMPDIR/got$i,creat,trunc" 2>>"$TMPDIR/$2.log" &
    pids+=($!)
  done
  for i in 1 2 3 4; do within 15 listens "$2" 510$i -t || fail "socat does not listen"; done
  for i in 1 2 3 4; do
    $natlab exec "${HOST[$1]}" timeout 30 socat -u "OPEN:$TMPDIR/blob" "TCP:$3:510$i" 2>>"$TMPDIR/$1.log" &
    senders+=($!)
  done
  wait "${senders[@]}" || bad "$1 to $2: a sender did not finish"
  wait "${pids[@]}" || true
  for i in 1 2 3 4; do cmp -s "$TMPDIR/blob" "$TMPDIR/got$i" || bad "$1 to $2: connection $i: other bytes arrived"; done
  rm -f "$TMPDIR"/got?
  echo "  $1 to $2: four connections"
}

# full: dan and eve had the blob both ways, by control from one lane to another (of 4 and of 8): of its packets they have lost less than 1 %
full() {
  local node lost packets=$((2 * $(stat -c %s "$TMPDIR/blob") / 1350))
  for node in dan eve; do
    lost=$(r $node status --json | jq '.drops.full // 0')
    echo "  $node's queues were full for $lost of $packets"
    [[ $lost -lt $((packets / 100)) ]] || bad "$node's queues were full for $lost of $packets packets"
  done
}
echo "== TCP"
blob 8
carry ann ben "$ben" 20; carry ben ann "$ann" 20
carry ann cat "$cat" 20; carry cat ann "$ann" 20
carry ben cat "$cat" 20; carry cat ben "$ben" 20
four ann cat "$cat"; four cat ann "$ann"; four ben cat "$cat"; four cat ben "$ben"
echo "== order"
flows ann ben "$ben"; flows ben ann "$ann"
flows ann cat "$cat"; flows cat ann "$ann"
flows ben cat "$cat"; flows cat ben "$ben"
wait_used() { # its lanes are used
  for task in /proc/"${PID[cat]}"/task/*; do awk '{ print $14 + $15 }' "$task/stat"; done
}
[[ $(wait_used | awk '$1 > 0' | wc -l) -ge 2 ]] || bad "cat's lanes did nothing: $(wait_used | xargs)"
echo "== stopped, and moved"
kill -STOP "${PID[cat]}"; sleep 3; kill -CONT "${PID[cat]}"
within 10 reach ann "$cat" || bad "ann does not reach cat, which was stopped for 3 s"
within 10 reach cat "$ben" || bad "cat, stopped for 3 s, does not reach ben"
flows cat ann "$ann"

echo "== devices"
# refused NODE TEXT OPTION...: another daemon, of a network of its own, on ben's host
HOST[fay]=ben
r fay create other --range 10.99.0.0/16 --listen 0.0.0.0:7999 >/dev/null
refused() {
  local status=0
  r fay run "${@:2}" >"$TMPDIR/out" 2>&1 || status=$?
  [[ $status == 1 ]] && grep -q "$1" "$TMPDIR/out" || bad "fay run ${*:2}: $status, $(cat "$TMPDIR/out")"
}
refused 'device ring0 is in use' --tun ring0 --threads 2 # of ben, which has two
on ben ip tuntap add dev vpn2 mode tun multi_queue
on ben ip tuntap add dev vpn1 mode tun
on ben ip link set vpn2 up
refused 'made for several threads.*threads = 2' --tun vpn2 --threads 1
refused 'made for one thread.*multi_queue' --tun vpn1 --threads 2
for threads in 2 4; do # and again at once
  start fay --tun vpn2 --threads $threads
  await fay
  [[ $(r fay status --json | jq -r '.networks[0].device') == vpn2 ]] || bad "fay does not have vpn2"
  kill "${PID[fay]}"; wait "${PID[fay]}" || true
  on ben ip address flush dev vpn2 # else its range were in use
done

echo "== relayed, the relay with four lanes too"
kill "${PID[ann]}"; wait "${PID[ann]}" || true
start ann --threads 4
await ann
start dan --threads 4; start eve --threads 8
await dan; await eve
dan=$(ip4 dan) eve=$(ip4 eve)
within 12 reach dan "$eve" || fail "dan does not reach eve"
relayed() { reach dan "$eve" && [[ $(path dan eve) == relayed && $(path eve dan) == relayed ]]; }
within 20 relayed || fail "not relayed: $(path dan eve), $(path eve dan)"
blob 64
carry dan eve "$eve" 60; carry eve dan "$dan" 60
full
flows dan eve "$eve"; flows eve dan "$dan"
for node in ann ben cat dan eve; do echo "  $node's drops: $(r $node status --json | jq -c .drops)"; done
verdict
