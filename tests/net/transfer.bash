# tests/net/transfer.bash - bytes through the tunnel, compared by hash; sourced by transfer*.sh, after lib.bash.

# three_hosts DELAY SWAP LOSS: ann is a seed, ben's link loses 1 %, cat's delays, exchanges, doubles and loses; all reach ann.
# Sets ann, ben, cat to their IPv4 addresses.
three_hosts() {
  lab <<END
ann none
ben none loss=1
cat none delay=$1 swap=$2 dup=2 loss=$3
END
  local node
  seed ann ann
  member ben ben ann
  member cat cat ann
  await ben; await cat
  ann=$(ip4 ann) ben=$(ip4 ben) cat=$(ip4 cat)
  for node in ben cat; do within 12 reach $node "$ann" || fail "$node does not reach ann"; done
}

# silent_core RULE...: the core keeps what these match of its own packets: it says nothing about what it drops
silent_core() {
  local rules='' kind
  for kind; do rules+="    $kind drop"$'\n'; done
  on core nft -f - <<END
table inet silent {
  chain out {
    type filter hook output priority 0
$rules  }
}
END
}
offload() { # offload NODE yes|no: restarts it
  local conf=$TMPDIR/$1/ringlet.conf
  sed -i '/^offload/d; s/^\[node\]/&\noffload = '"$2"'/' "$conf"
  restart "$1"
  r "$1" config check --json | jq -e --arg v "$2" '.values[] | select(.key == "offload") | .value == $v' >/dev/null ||
    fail "offload = $2 did not take"
}
blob() { # blob MEGABYTES: $TMPDIR/blob, of random bytes
  head -c "$(($1 << 20))" /dev/urandom >"$TMPDIR/blob"
}
# carry FROM TO ADDRESS SECONDS: the blob, over one connection, arrives as it was; under $CONGESTION, if that is set
carry() {
  local pid rate t
  $natlab exec "${HOST[$2]}" timeout "$4" socat -u "TCP6-LISTEN:5001,reuseaddr,ipv6only=0" \
    "OPEN:$TMPDIR/got,creat,trunc" 2>>"$TMPDIR/$2.log" &
  pid=$!
  within 5 listens "$2" 5001 -t || bad "the receiver does not listen"
  t=$(now_ms)
  on "${HOST[$1]}" timeout "$4" socat -u "OPEN:$TMPDIR/blob" "TCP:$3:5001${CONGESTION:+,setsockopt-string=6:13:$CONGESTION}" 2>>"$TMPDIR/$1.log" ||
    bad "$1 to $2: the sender did not finish in $4 s"
  wait $pid || true
  t=$(($(now_ms) - t))
  cmp -s "$TMPDIR/blob" "$TMPDIR/got" ||
    bad "$1 to $2: other bytes arrived ($(stat -c %s "$TMPDIR/got") of $(stat -c %s "$TMPDIR/blob"))"
  rm -f "$TMPDIR/got"
  echo "  $1 to $2, $3: $t ms"
}
# carry_while FROM TO ADDRESS SECONDS COMMAND...: the same; COMMAND, a second after it began, makes the path narrow
carry_while() {
  local pid
  echo "== shrinking under a transfer"
  (sleep 1; "${@:5}") &
  pid=$!
  carry "${@:1:4}"
  wait $pid
}
