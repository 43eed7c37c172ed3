# Ringlet itself. RINGLET names the binary (default: the one built here); the argument is more options of `run`.
RINGLET=${RINGLET:-$(readlink -m "$here/../../../build/ringlet")}
version() { "$RINGLET" --version; }
prep() {
  "$RINGLET" -d "$DIR/r0" create bench --range "${TN[0]%.*}.0/24" --ip "${TN[0]}" --host a \
    --listen "${UL[0]}:7464" --advertise "${UL[0]}:7464" >&2 || return
  "$RINGLET" -d "$DIR/r1" join "$("$RINGLET" -d "$DIR/r0" invite --seed "${UL[0]}:7464" --ip "${TN[1]}")" \
    --host b --listen "${UL[1]}:7464" >&2
}
up() { for i in 0 1; do spawn $i "$RINGLET" -d "$DIR/r$i" run $ARG; done; }
