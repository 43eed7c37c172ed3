#!/bin/bash
# What `make demo` runs: it ends well, measures what it says, and leaves nothing behind.
set -euo pipefail
out=$TMPDIR/demo.out
if ! tests/demo >"$out" 2>&1; then
  cat "$out"
  exit 1
fi
for row in 'first answered ping +[0-9.]+ s' 'direct path, both ends +[0-9.]+ s' \
  'slow ones among the first +[0-9.]+ ms|slow ones among the first +-' 'round trip direct .* [0-9.]+ ms' 'TCP, .* [0-9.]+ MB/s' \
  'while the seed was killed +[0-9]+ of 160' 'arrived whole'; do
  grep -qE "$row" "$out" || { cat "$out"; echo "FAILED: no line like: $row"; exit 1; }
done
sed -n '/^Measured/,$p' "$out"
[[ -z $(ip netns list | awk -v p="$NATLAB_PREFIX-" 'index($1, p) == 1') ]] || { echo "FAILED: namespaces left"; exit 1; }
[[ -z $(ls -d "$TMPDIR"/ringlet-demo.* 2>/dev/null) ]] || { echo "FAILED: files left"; exit 1; }
