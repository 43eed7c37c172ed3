#!/bin/bash
# test: timeout=400
# The packet path's tests with daemons built with the address and undefined-behaviour sanitizers. SANITIZED names others.
set -euo pipefail
[[ -x build/san/ringlet ]] || { echo "build/san/ringlet is not built: make SAN=1"; exit 1; }
export RINGLET=$PWD/build/san/ringlet
of=$TMPDIR
for name in ${SANITIZED:-transfer segments narrow_relay}; do
  echo "== $name"
  export TMPDIR=$of/$name
  mkdir -p "$TMPDIR"
  status=0
  "tests/net/$name.sh" || status=$?
  [[ $status == 0 ]] || { echo "$name, with sanitizers, ended with status $status"; exit $status; }
  # a daemon that a test ends by itself may complain after its last word
  if grep -h -A30 'Sanitizer\|runtime error' "$TMPDIR"/*.log; then echo "FAILED: $name: see above"; exit 1; fi
done
