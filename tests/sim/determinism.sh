#!/bin/bash
# The same seed, the same run, whatever compiled it: tests/determinism.sh.
# test: timeout=300
exec tests/determinism.sh
