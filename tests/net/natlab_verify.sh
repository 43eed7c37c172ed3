#!/bin/bash
# test: timeout=240 long alone
# The laboratory itself: is every kind of NAT what it claims to be?
set -euo pipefail
exec tests/natlab/natlab verify
