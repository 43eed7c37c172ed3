#!/bin/bash
# Do 24 daemons, one of them killed, do as ringlet-sim says: how soon the ring is whole, ways, bytes of quiet? tests/bench/truth.
# test: timeout=400 alone long
[[ $(id -u) == 0 ]] || { echo "needs root"; exit 77; }
make -s build/ringlet-sim >/dev/null || exit 1
exec python3 tests/bench/truth
