#!/bin/bash
# The small scenarios, two seeds each, under the address and undefined-behaviour sanitizers.
# test: timeout=400
set -euo pipefail
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s say= SAN=1 build/san/ringlet-sim
for scenario in cold-256 crash-100 join-storm-200 leave-100 loss-100 nat-60 partition-100; do
  echo "$scenario --repeat 2"
  build/san/ringlet-sim "sim/scenarios/$scenario.sim" --repeat 2
done
