#!/bin/sh
# test: timeout=600 long
# tests/stories/broadcast_test.c with fifty rings each, without the sanitizers: BROADCAST_SEEDS chooses another number.
set -eu
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MFLAGS MAKELEVEL SAN FUZZ
make -s build/tests/stories/broadcast_test
BROADCAST_SEEDS=${BROADCAST_SEEDS:-50} exec build/tests/stories/broadcast_test
