#!/bin/bash
# test: timeout=120
# What goes into one end's device comes out of the other's: the same segments, byte for byte, in order. First made ones, with PSH,
# FIN, ECN, SACK, window probes, odd ids, options, extension headers, fragments, wrong checksums, in trains (the
# daemon stands still while they queue up); then those of a real connection, with super-packets, ECN, SACK, and a reader who rests.
. tests/net/lib.bash
. tests/net/transfer.bash
lab <<'END'
ann none
ben none
END
seed ann ann
member ben ben ann
await ben
declare -A ip4=() ip6=()
for node in ann ben; do
  ip4[$node]=$(ip4 $node) ip6[$node]=$(r $node status --json | jq -r '.networks[0].ipv6')
  on $node nft -f - <<'END'
table inet deaf {
  chain in {
    type filter hook prerouting priority -500
    iifname ring0 th dport 7777 drop
    iifname ring0 ip frag-off & 0x3fff != 0 drop
    iifname ring0 exthdr frag exists drop
  }
  chain lossy {
    type filter hook input priority 0
    iifname ring0 tcp dport 7778 numgen random mod 20 < 1 drop
  }
}
END
done
segments() { on "${HOST[$1]}" python3 tests/net/segments.py "${@:2}"; } # segments NODE VERB...

declare -A taker=()
take() { # take NODE in|out PORT: into $TMPDIR/NODE-WAY, until an end comes
  rm -f "$TMPDIR/$1-$2".ready
  $natlab exec "${HOST[$1]}" python3 tests/net/segments.py take ring0 "$2" "$3" "$TMPDIR/$1-$2" >"$TMPDIR/$1-$2.out" 2>&1 &
  taker[$1-$2]=$!
  within 5 test -e "$TMPDIR/$1-$2.ready" || fail "nobody takes: $(cat "$TMPDIR/$1-$2.out")"
}
taken() { # taken NODE-WAY
  wait "${taker[$1]}" || bad "taking: $(cat "$TMPDIR/$1.out")"
  cat "$TMPDIR/$1.out"
}
has_super() { grep -q ' [1-9][0-9]* of them super' "$TMPDIR/$1.out" || bad "no super-packets among $1"; }
compare() { # compare SENT TAKEN
  python3 tests/net/segments.py compare "$TMPDIR/$1" "$TMPDIR/$2" >"$TMPDIR/compared" || bad "other segments came out than went in"
  cat "$TMPDIR/compared"
}

made() { # made FROM TO
  local ip
  within 12 direct "$1" "$2" || fail "$1 and $2 have no direct path"
  within 5 reach "$1" "${ip4[$2]}" || fail "$1 does not reach $2"
  for ip in ip4 ip6; do
    local -n address=$ip
    take "$2" in 7777
    segments "$1" send ring0 "${address[$1]}" "${address[$2]}" "$TMPDIR/sent" "${PID[$1]}" || bad "cannot send"
    sleep 0.5
    segments "$1" end ring0 "${ip4[$1]}" "${ip4[$2]}"
    taken "$2-in"
    compare sent "$2-in"
  done
}
connection() { # connection FROM TO ADDRESS: what it sends, and what acknowledges it
  local pid to=$3
  take "$1" out 7778; take "$1" in 7778
  take "$2" out 7778; take "$2" in 7778
  $natlab exec "${HOST[$2]}" socat -u "TCP6-LISTEN:7778,reuseaddr,ipv6only=0,rcvbuf=200000" "SYSTEM:sleep 2; exec cat" >"$TMPDIR/got" 2>>"$TMPDIR/$2.log" &
  pid=$!
  within 5 listens "$2" 7778 -t || bad "the receiver does not listen"
  { head -c 3000 "$TMPDIR/blob"; sleep 0.2; tail -c +3001 "$TMPDIR/blob"; } |
    on "${HOST[$1]}" timeout 30 socat -u - "TCP:$to:7778" 2>>"$TMPDIR/$1.log" || bad "the sender did not finish"
  wait $pid || bad "the receiver did not finish"
  cmp -s "$TMPDIR/blob" "$TMPDIR/got" || bad "other bytes arrived"
  segments "$1" end ring0 "${ip4[$1]}" "${ip4[$2]}"
  segments "$2" end ring0 "${ip4[$2]}" "${ip4[$1]}"
  taken "$1-out"; taken "$2-in"; taken "$2-out"; taken "$1-in"
  compare "$1-out" "$2-in"
  compare "$2-out" "$1-in"
  grep -q '[1-9][0-9]* with SACK.* [1-9][0-9]* with no window' "$TMPDIR/compared" || bad "no SACK, or never a closed window"
}

echo "== made segments, offloads at both ends"
made ann ben
has_super ben-in
made ben ann
echo "== connections with ECN and losses behind the device"
for node in ann ben; do on $node sysctl -qw net.ipv4.tcp_ecn=1; done
blob 3
for to in "${ip4[ben]}" "[${ip6[ben]}]"; do
  connection ann ben "$to"
  has_super ann-out; has_super ben-in
done
echo "== made segments, offloads at the sender"
offload ben no
within 12 reach ann "${ip4[ben]}" || fail "ann does not reach ben"
made ann ben
echo "== at the receiver"
made ben ann
verdict
