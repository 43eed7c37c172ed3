#!/bin/bash
# test: timeout=120 long
# As rebind.sh, but the host behind the new router is silent: nobody can reach it before it says
# something itself, which it does at the latest when it is time to keep its mapping alive (25 s).
. tests/net/lib.bash
couple port-restricted pub
pub=$(ip4 pub)
within 12 reach ann "$pub" || fail "ann does not reach pub"
kill9 seed

echo "== ann's router is new; only ben sends"
stream ben "$ann" 45
sleep 1
$natlab rebind ann
t=$(now_ms)
silence ben
echo "ben sends: $answered of $sent answered, longest silence $gap ms"
[[ $gap -lt 40000 ]] || bad "ben's traffic did not resume"
direct_again "$t"
within 10 reach pub "$ann" || bad "pub lost ann"
verdict
