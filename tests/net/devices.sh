#!/bin/bash
# test: timeout=120
# Devices and several threads: of two daemons that start at once with one device of several queues one gets it; networks that come and go while
# packets flow have their device in every lane; a device that somebody removes is missed aloud, and costs nothing.
. tests/net/lib.bash
gcc -O1 -shared -fPIC -D_GNU_SOURCE -o "$TMPDIR/refuse.so" tests/net/refuse.c -ldl
lab <<'END'
ann none
ben none
END
seed ann ann
HOST[ben]=ben HOST[one]=ben HOST[two]=ben
r ann invite >"$TMPDIR/token"
r ben join - --host ben --listen 0.0.0.0:7501 <"$TMPDIR/token" >/dev/null

echo "== two daemons at once"
on ben ip tuntap add dev vpn0 mode tun multi_queue
printf '\0\0\0\0\0\1' >"$TMPDIR/slow"
truncate -s 24 "$TMPDIR/slow"
n=1
for node in one two; do
  r $node create $node --range 10.10$n.0.0/16 --listen 0.0.0.0:760$n >/dev/null
  $natlab exec ben env LD_PRELOAD="$TMPDIR/refuse.so" REFUSE="$TMPDIR/slow" \
    "$RINGLET" -d "$TMPDIR/$node" run --tun vpn0 --threads 2 >"$TMPDIR/$node.log" 2>&1 &
  PID[$node]=$!
  n=$((n + 1))
done
lost=0
for node in one two; do
  within 10 grep -q 'ringlet: ready\|device vpn0 is in use' "$TMPDIR/$node.log" || bad "$node says neither yes nor no"
  if grep -q 'device vpn0 is in use' "$TMPDIR/$node.log"; then
    lost=$((lost + 1))
    wait "${PID[$node]}" && bad "$node does not fail"
  else
    winner=$node
  fi
done
[[ $lost == 1 ]] || bad "$lost of two were refused the device, not 1"
kill "${PID[$winner]}" && wait "${PID[$winner]}" || true
[[ $lost != 0 ]] || { kill "${PID[one]}" || true; wait "${PID[one]}" || true; }
on ben ip link del vpn0

echo "== networks come and go"
start ben --threads 4
await ben
within 12 reach ann "$(ip4 ben)" || fail "ann does not reach ben"
stream ann "$(ip4 ben)" 10
r ann create extra --range 10.88.0.0/16 --ip 10.88.0.1 >/dev/null
for _ in 1 2 3 4 5 6; do
  r ann -n extra invite >"$TMPDIR/token2"
  r ben join - --host ben <"$TMPDIR/token2" >/dev/null || fail "ben does not join"
  at=$(r ben status --json | jq -r '.networks[] | select(.name == "extra") | .device')
  [[ $(on ben ls "/sys/class/net/$at/queues" | grep -c '^rx') == 4 ]] || bad "$at has $(on ben ls "/sys/class/net/$at/queues" | grep -c '^rx') queues, not 4"
  for port in 1 2 3 4 5 6 7 8; do # flows go through different lanes
    within 5 on ben ping -n -q -c 1 -W 1 10.88.0.1 || bad "no way through $at"
    echo "$port" | on ben socat -u - "UDP-SENDTO:10.88.0.1:700$port" || true
  done
  r ben leave extra >/dev/null || bad "ben does not leave"
  gone() { ! on ben ip link show "$at"; }
  within 5 gone || bad "$at is still there after its network was left"
done
silence ann
[[ $answered -ge $((sent * 95 / 100)) ]] || bad "meanwhile $answered of $sent pings of the other network were answered"

echo "== a device that is removed"
for threads in 4 1; do
  kill "${PID[ben]}"; wait "${PID[ben]}" || true
  : >"$TMPDIR/ben.log"
  start ben --threads $threads
  await ben
  on ben ip link del ring0
  within 5 grep -q 'device ring0 of network home was removed' "$TMPDIR/ben.log" || bad "nobody misses ring0, threads = $threads"
  sleep 1
  runs=0 # looks at which one of its threads ran, or would have if others let it: so it counts on a busy machine, too
  for _ in {1..40}; do
    ! grep -q '^State:.R' "/proc/${PID[ben]}/task/"*/status || runs=$((runs + 1))
    sleep 0.05
  done
  echo "threads = $threads: it ran at $runs of 40 looks"
  [[ $runs -lt 20 ]] || bad "the daemon spins: it ran at $runs of 40 looks, threads = $threads"
done
verdict
