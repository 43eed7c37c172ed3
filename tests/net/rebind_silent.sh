#!/bin/bash
# test: timeout=120 long
# As rebind.sh, but the host behind the new router is silent: nobody can reach it before it says
# something itself, which it does at the latest when it is time to keep its mapping alive (25 s).
. tests/net/lib.bash
lab <<'END'
seed none delay=5
pub  none delay=5
ann  port-restricted delay=10
ben  port-restricted delay=10
END
seed seed seed
member pub pub seed
member ann ann1 seed
member ben ben1 seed
for node in pub ann ben; do await $node; done
ann=$(ip4 ann) ben=$(ip4 ben) pub=$(ip4 pub)
within 12 reach ann "$pub" || fail "ann does not reach pub"
within 12 reach ben "$ann" || fail "no traffic at all"
within 15 direct ann ben || fail "no direct path to begin with"
kill9 seed

rebind() { # rebind SITE: the router's LAN is away meanwhile, so that old packets cannot teach the
  on "$1" ip link set lan down # new rules the old address
  $natlab rebind "$1"
  on "$1" ip link set lan up
}
again() { # the path is direct again, by the new address
  if within 15 direct ann ben; then
    echo "direct again, $(peer ben ann endpoint)"
    [[ $(peer ben ann endpoint) == "$($natlab addr ann):"* ]] ||
      bad "ben uses $(peer ben ann endpoint), ann's router has $($natlab addr ann)"
  else
    bad "not direct again after $(($(now_ms) - t)) ms: '$(path ann ben)'"
  fi
  within 10 reach pub "$ann" || bad "pub lost ann"
}

echo "== ann's router is new; only ben sends"
stream ben "$ann" 45
sleep 1
rebind ann
t=$(now_ms)
silence ben
echo "ben sends: $answered of $sent answered, longest silence $gap ms"
[[ $gap -lt 40000 ]] || bad "ben's traffic did not resume"
again
verdict
