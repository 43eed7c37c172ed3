# Ringlet itself. RINGLET names the binary (default: the one built here); the argument is more options of `run`.
RINGLET=${RINGLET:-$(readlink -m "$here/../../../build/ringlet")} SIX='under inner'
version() { "$RINGLET" --version; }
prep() { # it takes an IPv4 address as told, its IPv6 address follows from its id
  local at=("$(endpoint "${UL[0]}" 7464)" "$(endpoint "${UL[1]}" 7464)") made
  made=$("$RINGLET" -d "$DIR/r0" --json create bench --range 10.202.0.0/24 --ip 10.202.0.1 --host a \
    --listen "${at[0]}" --advertise "${at[0]}") || return
  [ "$INNER" = 6 ] && TN[0]=$(jq -r .ipv6 <<<"$made")
  made=$("$RINGLET" -d "$DIR/r1" --json join "$("$RINGLET" -d "$DIR/r0" invite --seed "${at[0]}" --ip 10.202.0.2)" \
    --host b --listen "${at[1]}") || return
  [ "$INNER" = 6 ] && TN[1]=$(jq -r .ipv6 <<<"$made")
  return 0
}
up() { for i in 0 1; do spawn $i "$RINGLET" -d "$DIR/r$i" run $ARG; done; }
