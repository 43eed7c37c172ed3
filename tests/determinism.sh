#!/bin/bash
# tests/determinism.sh [--update] - does the same seed give the same run, whatever compiled it?
# Builds the simulator with gcc and clang at -O0 and -O3 (build/det), runs one small scenario with
# joins, loss, look-ups, a kill and NATs, with real and with fake cryptography, twice each, and
# once without AVX2 and FMA. All hashes must agree, real and fake runs must have sent the same
# datagrams, and the hashes must be those of tests/determinism.expected: they change only when the
# protocol or the simulator does. --update writes that file.
# test: timeout=300
set -euo pipefail
cd "$(dirname "$0")/.."
expected=tests/determinism.expected
out=build/det
mkdir -p "$out"

cat >"$out/scenario.sim" <<'SIM'
nodes 100
network regions 6 loss 2%
nat none 40% full-cone 20% restricted 10% port-restricted 20% symmetric 10%
at 0s   join all over 5s seeds 3
at 20s  lookups 200 over 10s
at 25s  kill 20%
at 30s  leave 10% over 5s
at 40s  partition 50% for 20s
at 70s  churn exponential median 30s for 20s
end 100s
SIM

sources=$(ls {base,nat,overlay,vnet,node,sim}/*.c | grep -v '_test\.c$')
build() { # compiler, optimisation
  local dir=$out/$1$2 objects=()
  mkdir -p "$dir"
  for s in $sources; do objects+=("$dir/${s//\//_}.o"); done
  for s in $sources; do echo "$s" "$dir/${s//\//_}.o"; done |
    xargs -P 2 -n 2 sh -c "$1 -std=c17 -D_GNU_SOURCE -I. $2"' -c "$0" -o "$1"'
  "$1" "$2" -o "$dir/ringlet-sim" "${objects[@]}" -lsodium -lmsgpackc
}

failed=0
declare -A first
check() { # what, crypto, command...
  local what=$1 crypto=$2 json got sent
  shift 2
  json=$("$@" "$out/scenario.sim" --seed 5 --crypto "$crypto" --json -) || true
  got=$(grep -o '"hash":"[0-9a-f]*"' <<<"$json" | cut -d'"' -f4) || got=none
  sent=$(grep -o '"datagrams":{[^}]*}' <<<"$json") || sent=none
  : "${first[$crypto]:=$got}" "${first[sent]:=$sent}"
  if [[ $got != none && $got == "${first[$crypto]}" && $sent == "${first[sent]}" ]]; then
    echo "same     $what, $crypto: $got"
  else
    echo "DIFFERS  $what, $crypto: $got, the first was ${first[$crypto]}; $sent, ${first[sent]}"
    failed=1
  fi
}

no_avx=GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-AVX512F
for compiler in gcc clang; do
  for level in -O0 -O3; do
    build "$compiler" "$level"
    sim=$out/$compiler$level/ringlet-sim
    for crypto in fake real; do
      check "$compiler $level" "$crypto" "$sim"
      check "$compiler $level again" "$crypto" "$sim"
      check "$compiler $level without AVX2 and FMA" "$crypto" env "$no_avx" "$sim"
    done
  done
done

now="fake ${first[fake]}
real ${first[real]}"
if [[ $failed == 0 && ${1:-} == --update ]]; then
  echo "$now" >"$expected"
elif [[ $now != "$(cat "$expected" 2>/dev/null)" ]]; then
  echo "CHANGED  not as in $expected; if that is meant: tests/determinism.sh --update"
  diff "$expected" <(echo "$now") || true
  failed=1
fi
exit $failed
