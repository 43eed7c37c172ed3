#!/bin/bash
# Do eight daemons in namespaces find each other and their ways as ringlet-sim says? tests/bench/truth, without a kill.
# test: timeout=150 alone
[[ $(id -u) == 0 ]] || { echo "needs root"; exit 77; }
make -s build/ringlet-sim >/dev/null || exit 1
exec python3 tests/bench/truth --short --nodes 8
