#!/bin/bash
# Does tests/run tell a failure, a time-out and a mess from a success, and tidy up after each?
# It runs a copy of itself over a small tree of such tests.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0
unset CI

mkdir -p "$tmp"/tests/{net,sim}
cp "$here/run" "$tmp/tests/"
net() { cat >"$tmp/tests/net/$1.sh"; chmod +x "$tmp/tests/net/$1.sh"; } # net NAME <SCRIPT
expect() { grep -qE "$1" "$tmp/out" || { echo "missing in the output: $1"; bad=1; }; }
refuse() { if grep -qE "$1" "$tmp/out"; then echo "unexpected in the output: $1"; bad=1; fi; }

net passes <<'END'
#!/bin/bash
[[ -n $RINGLET && -d $TMPDIR && $NATLAB_PREFIX =~ ^[a-z0-9]{1,12}$ ]]
END
net fails <<'END'
#!/bin/bash
for i in {1..50}; do echo "line $i"; done
exit 3
END
net skips <<'END'
#!/bin/bash
echo "no such device here"
exit 77
END
net hangs <<'END'
#!/bin/bash
# test: timeout=1
sleep 1001 &
sleep 1002
END
net stubborn <<'END'
#!/bin/bash
# test: timeout=1
trap '' TERM
while :; do sleep 0.1; done
END
net leaves_process <<'END'
#!/bin/bash
setsid sleep 1003 >/dev/null 2>&1 &
END
net leaves_namespace <<'END'
#!/bin/bash
ip netns add "$NATLAB_PREFIX-left"
ip netns exec "$NATLAB_PREFIX-left" env -i sleep 1004 >/dev/null 2>&1 &
END
net slow <<'END'
#!/bin/bash
# test: long
END
echo 'exit 0' >"$tmp/tests/net/plain.sh"

"$tmp/tests/run" net >"$tmp/out" 2>&1
rc=$?
if [[ $EUID == 0 ]]; then
  [[ $rc == 1 ]] || { echo "exit status $rc"; bad=1; }
  expect '^PASS net/passes [0-9.]+$'
  expect '^FAIL net/fails [0-9.]+  \(exit status 3\)$'
  expect 'line 11$'
  refuse 'line 10$' # the tail is 40 lines
  expect '^SKIP net/skips [0-9.]+  \(no such device here\)$'
  expect '^FAIL net/hangs .*timed out after 1 s'
  expect '^FAIL net/stubborn .*timed out after 1 s'
  expect '^FAIL net/leaves_process .*left behind: process [0-9]+ sleep 1003'
  expect '^FAIL net/leaves_namespace .*left behind: process [0-9]+ sleep 1004; namespace t'
  expect '^FAIL net/plain .*not executable'
  refuse 'net/slow'
  [[ $(tail -n 1 "$tmp/out") == '1 passed, 6 failed, 1 skipped' ]] || { echo "wrong last line"; bad=1; }
  if pgrep -f '^sleep 100[1-4]$'; then echo "processes are left"; bad=1; fi
  if ip netns list | grep -- '-left'; then echo "a namespace is left"; bad=1; fi

  # CI allows no skipping.
  CI=true "$tmp/tests/run" net/skips >"$tmp/out" 2>&1 && { echo "CI passed a skipped test"; bad=1; }
  expect '^FAIL net/skips'
  # ^C ends the test and tidies up.
  net hangs <<'END'
#!/bin/bash
ip netns add "$NATLAB_PREFIX-left"
sleep 1001
END
  "$tmp/tests/run" net/hangs >"$tmp/out" 2>&1 &
  sleep 1
  kill -INT $!
  wait $!
  rc=$?
  [[ $rc == 130 ]] || { echo "interrupted: exit status $rc"; bad=1; }
  expect '^FAIL net/hangs .*interrupted'
  if ip netns list | grep -- '-left'; then echo "^C leaves a namespace"; bad=1; fi
fi

# The table of simulations: a scenario that it forgets is a failure, and so is what is not built.
mkdir -p "$tmp/sim/scenarios" "$tmp/build"
touch "$tmp/sim/scenarios/known.sim" "$tmp/sim/scenarios/forgotten.sim"
printf '%s\n' '# comment' 'check 5 known --repeat 2' 'million 5 known --nodes 1000000' >"$tmp/tests/sim.list"
printf '%s\n' '#!/bin/sh' 'echo "ran $*"' >"$tmp/build/ringlet-sim"
chmod +x "$tmp/build/ringlet-sim"
"$tmp/tests/run" --show sim >"$tmp/out" 2>&1
expect '^PASS sim/known --repeat 2 '
expect 'ran sim/scenarios/known.sim --repeat 2$'
refuse 'million|1000000'
expect '^FAIL sim/forgotten .*not in tests/sim.list'
# A million nodes take hours: what is told on a terminal meanwhile is seen there, by nobody else.
printf '%s\n' '#!/bin/sh' 'test -t 2 && echo "half of it" >&2; echo end' >"$tmp/build/ringlet-sim"
rm "$tmp/sim/scenarios/forgotten.sim"
script -qec "$tmp/tests/run --table million sim" /dev/null </dev/null >"$tmp/out" 2>&1
expect '^half of it'
expect '^PASS sim/known --nodes 1000000 '
script -qec "$tmp/tests/run --show sim" /dev/null </dev/null >"$tmp/out" 2>&1
expect '^PASS sim/known --repeat 2 '
refuse 'half of it'
mkdir -p "$tmp/base"
touch "$tmp/base/x_test.c"
"$tmp/tests/run" unit >"$tmp/out" 2>&1
expect '^FAIL unit/base/x .*not built'

# A crash in a fuzz entry is a failure (libFuzzer would say 77, as a skipped test does).
mkdir -p "$tmp"/tests/fuzz "$tmp"/build/fuzz
cat >"$tmp/tests/fuzz/boom.c" <<'END'
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n > 0 && p[0] == 'x') abort();
    return 0;
}
END
clang -g -fsanitize=fuzzer,address -o "$tmp/build/fuzz/boom" "$tmp/tests/fuzz/boom.c" || bad=1
"$tmp/tests/run" fuzz >"$tmp/out" 2>&1
expect '^FAIL fuzz/boom .*exit status 1'
[[ -n $(ls "$tmp"/build/fuzz/boom-crash-* 2>/dev/null) ]] || { echo "the input is not kept"; bad=1; }
[[ $bad == 0 ]] || cat "$tmp/out"
exit $bad
