#!/bin/bash
# Does tests/layers see what is wrong, and only that? Each line below is FILE | CODE | WHAT IT MUST SAY
# (nothing: it must be silent).
set -u
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0 cases=0

while IFS='|' read -r file text want; do
  [[ -n ${file// /} ]] || continue
  file=${file// /} text=${text# } want=${want# }
  rm -rf "$tmp/tree"
  mkdir -p "$tmp/tree/${file%/*}"
  printf '%b\n' "$text" >"$tmp/tree/$file"
  "$here/layers" "$tmp/tree" >"$tmp/out" 2>&1
  rc=$?
  cases=$((cases + 1))
  if [[ -z $want && $rc == 0 && ! -s $tmp/out ]]; then continue; fi
  if [[ -n $want && $rc == 1 ]] && grep -qF "$want" "$tmp/out"; then continue; fi
  echo "$file: $text: expected '$want', got status $rc and: $(<"$tmp/out")"
  bad=1
done <<'END'
base/a.c       | #include "base/a.h"                          |
node/a.c       | #include "vnet/a.h"\n#include "base/b.h"     |
daemon/a.c     | #include "node/a.h"                          |
base/a.c       | #include "nat/a.h"                           | base/a.c:1: include "nat/a.h": base/ must not see nat/
nat/a.c        | #include "overlay/a.h"                       | must not see
vnet/a.h       | #include "node/a.h"                          | must not see
overlay/a.c    | #include "daemon/a.h"                        | must not see
sim/a.c        | #include "daemon/a.h"                        | must not see
daemon/a.c     | #include "sim/a.h"                           | must not see
base/a.c       | #include "tests/harness/a.h"                 | must not see
base/a.c       | #include "a.h"                               | give the path from the root
nat/a.c        | #include "../base/a.h"                       | give the path from the root
node/a_test.c  | #include "sim/a.h"                           |
node/a_test.c  | #include "daemon/a.h"                        | must not see
base/a_test.c  | #include "overlay/a.h"                       | must not see
node/a.c       | /* #include "sim/a.h" */                     |
node/a.c       | /* two\n#include "sim/a.h" */                |
node/a.c       | /* one */\n#include "sim/a.h"                | node/a.c:2:
node/a.c       | #include <uv.h>                              | not here
sim/a.c        | #include <uv.h>                              | not here
daemon/a.c     | #include <uv.h>                              |
base/crypto.c  | #include <sodium.h>                          |
nat/crypto.c   | #include <sodium.h>                          | not here
daemon/a.c     | #include <sodium.h>                          | not here
base/a_test.c  | #include <sodium.h>                          |
base/pack.c    | #include <msgpack.h>                         |
base/a.c       | #include <msgpack.h>                         | not here
daemon/a.c     | #include <jansson.h>                         |
sim/a.c        | #include <jansson.h>                         | not here
base/a.c       | #include <pthread.h>                         | not here
vnet/a.c       | #include <math.h>                            | not here
sim/a.c        | #include <math.h>                            | not here
sim/report.c   | #include <math.h>                            |
vnet/a.c       | static float x;                              | float: floating point
vnet/a.c       | /* a float */ int x; // double               |
vnet/a.c       | const char *s = "double // trouble";         |
vnet/a.c       | int double_nat;                              |
sim/a.c        | double x;                                    | floating point
sim/report_x.c | double x;                                    |
daemon/a.c     | double x;                                    |
overlay/a.c    | x = time(NULL);                              | reads a clock
overlay/a.c    | x = wake_time(n);                            |
overlay/a.c    | x = n->time(n);                              |
sim/a.c        | clock_gettime(CLOCK_MONOTONIC, &t);          | reads a clock
sim/wall.c     | clock_gettime(CLOCK_MONOTONIC, &t);          |
base/crypto.c  | randombytes_buf(x, 32);                      | system randomness
node/a.c       | x = rand();                                  | system randomness
sim/a.c        | getrandom(x, 32, 0);                         | system randomness
daemon/a.c     | getrandom(x, 32, 0);                         |
node/a.c       | fd = socket(AF_INET, SOCK_DGRAM, 0);         | a socket
sim/a.c        | sendto(fd, b, n, 0, a, l);                   | a socket
daemon/a.c     | fd = socket(AF_INET, SOCK_DGRAM, 0);         |
END

# A library is wrapped by one file.
rm -rf "$tmp/tree"
mkdir -p "$tmp/tree/daemon"
echo '#include <jansson.h>' | tee "$tmp/tree/daemon/a.c" >"$tmp/tree/daemon/b.c"
"$here/layers" "$tmp/tree" | grep -qF 'jansson.h: included by daemon/a.c, daemon/b.c' || { echo "two users of jansson.h pass"; bad=1; }

echo "$cases cases"
[[ $cases -ge 45 ]] || bad=1
exit $bad
