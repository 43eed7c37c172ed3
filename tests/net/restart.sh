#!/bin/bash
# A daemon that dies and comes back finds its way alone, with what it remembers: the seed is dead.
# The silence is seen by the one that stayed and by the one that died.
. tests/net/lib.bash
couple full-cone
sleep 2 # what is remembered is written
kill9 seed
reach ann "$ben" >/dev/null || fail "no traffic after the seed's death"

declare -A ip=([ann]=$ann [ben]=$ben)
again() { # again DYING STAYING: SIGKILL and restart the first
  local t dead
  echo "== $1 is killed and started again"
  stream "$2" "${ip[$1]}" 10
  sleep 1
  kill9 "$1"
  dead=$(now_ms)
  start "$1"
  within 10 on "${HOST[$1]}" ip -br link show ring0 || fail "$1 has no device after its restart"
  stream "$1" "${ip[$2]}" 7
  t=$(now_ms)
  if within 10 reach "$1" "${ip[$2]}" 0.3; then
    echo "$1 reaches $2 $(($(now_ms) - dead)) ms after its death, $(($(now_ms) - t)) ms after its device was back"
  else
    bad "$1 does not reach $2 10 s after its restart"
  fi
  silence "$1"
  echo "$1 sends: $answered of $sent answered"
  silence "$2"
  echo "$2 sends: $answered of $sent answered, longest silence $gap ms"
  [[ $gap -lt 8000 ]] || bad "$2's traffic did not resume after $1's restart"
  await "$1"
  if within 10 direct ann ben; then echo "direct again"; else bad "not direct again: '$(path ann ben)'"; fi
}
again ben ann
again ann ben
verdict
