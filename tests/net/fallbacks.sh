#!/bin/bash
# test: timeout=120
# A kernel without offloads, and one that loses them in the midst of a transfer: bytes arrive as they were all the same, and what is refused
# is not tried for ever. tests/net/refuse.c stands between the daemon and its kernel.
. tests/net/lib.bash
. tests/net/transfer.bash
gcc -O1 -shared -fPIC -D_GNU_SOURCE -o "$TMPDIR/refuse.so" tests/net/refuse.c -ldl
real=$RINGLET
cat >"$TMPDIR/ringlet" <<END
#!/bin/sh
[ "\$3" = run ] || exec $real "\$@"
export LD_PRELOAD=$TMPDIR/refuse.so REFUSE=\$2.refuse
exec $real "\$@"
END
chmod 755 "$TMPDIR/ringlet"
RINGLET=$TMPDIR/ringlet

switch() { printf '\x'"$3" | dd of="$TMPDIR/$1.refuse" bs=1 seek="$2" conv=notrunc status=none; } # switch NODE BYTE 0|1
# counts NODE: sets trains, trains_refused, supers, supers_refused, since it was last asked
counts() {
  read -r trains trains_refused supers supers_refused < <(od -An -tu4 -j8 -N16 "$TMPDIR/$1.refuse")
  dd if=/dev/zero of="$TMPDIR/$1.refuse" bs=8 seek=1 count=2 conv=notrunc status=none
}
again() { # again NODE: its daemon anew
  kill "${PID[$1]}"; wait "${PID[$1]}" || true
  start "$1"
  await "$1"
  within 12 direct ann ben || { reach ann "$ben" || true; within 12 direct ann ben || fail "no direct path"; }
}
there_and_back() { # there_and_back NODE: what its kernel was asked for meanwhile
  counts "$1"
  carry ann ben "$ben" 20; carry ben ann "$ann" 20
  counts "$1"
}
in_the_midst() { # in_the_midst NODE BYTE: switched on while ann sends, and some trains (BYTE 0) or super-packets (1) have gone
  (for ((i = 0; i < 500; i++)); do
    [[ $(od -An -tu4 -j$((8 + 8 * $2)) -N4 "$TMPDIR/$1.refuse") -gt 10 ]] && break
    sleep 0.02
  done
  switch "$@" 1) &
  local pid=$!
  carry ann ben "$ben" 20
  wait $pid
}

lab <<'END'
ann none rate=200mbit
ben none
END
for node in ann ben; do head -c 24 /dev/zero >"$TMPDIR/$node.refuse"; done
seed ann ann
member ben ben ann
await ben
ann=$(ip4 ann) ben=$(ip4 ben)
within 12 reach ann "$ben" || fail "ann does not reach ben"
within 12 direct ann ben || fail "no direct path"

echo "== all offloads"
blob 30
carry ann ben "$ben" 20
counts ann
[[ $trains -gt 10 && $trains_refused == 0 ]] || bad "ann sends no trains: $trains"
counts ben
[[ $supers -gt 10 && $supers_refused == 0 ]] || bad "ben writes no super-packets: $supers"

echo "== trains are refused from the midst of a transfer on: EIO"
in_the_midst ann 0
counts ann
[[ $trains -gt 10 && $trains_refused == 1 ]] || bad "before: $trains trains; refused: $trains_refused, not 1"
carry ann ben "$ben" 20
counts ann
[[ $trains == 0 && $trains_refused == 0 ]] || bad "trains are still tried: $trains, $trains_refused"
switch ann 0 0

echo "== super-packets are refused from the midst of a transfer on: EINVAL"
again ann
counts ben
in_the_midst ben 1
counts ben
[[ $supers -gt 10 && $supers_refused -ge 1 && $supers_refused -lt 100 ]] || bad "before: $supers super-packets; refused: $supers_refused"
carry ann ben "$ben" 20
counts ben
[[ $supers == 0 && $supers_refused == 0 ]] || bad "super-packets are still tried: $supers, $supers_refused"
switch ben 1 0

echo "== a kernel without UDP_SEGMENT and UDP_GRO"
switch ann 2 1; switch ben 2 1
again ann; again ben
blob 8
there_and_back ann
[[ $trains == 0 && $trains_refused == 0 ]] || bad "trains are tried where there are none: $trains, $trains_refused"
switch ann 2 0; switch ben 2 0

echo "== a device without USO"
switch ann 3 1; switch ben 3 1
again ann; again ben
there_and_back ben
[[ $supers -gt 10 && $supers_refused == 0 ]] || bad "TCP is not joined any more: $supers, $supers_refused"
switch ann 3 0; switch ben 3 0

echo "== a device without headers"
switch ann 4 1; switch ben 4 1
again ann; again ben
there_and_back ann
[[ $supers == 0 ]] || bad "super-packets for a device without headers: $supers"
verdict
