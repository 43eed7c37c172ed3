#!/bin/sh
# docs/wire.md's tables are those of overlay/wire.h and overlay/control.h: fails, and shows how, if they differ.
#   tests/unit/wire_doc.sh --write   puts the right ones in
set -eu
cd "$(dirname "$0")/../.."
doc=docs/wire.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
${CC:-cc} -std=c17 -D_GNU_SOURCE -I. -o "$scratch/tables" tests/wire_tables.c
for table in outer kinds control; do
    "$scratch/tables" $table >"$scratch/$table"
done
awk -v dir="$scratch" '
    /^<!-- end -->$/   {inside = 0}
    !inside            {print}
    /^<!-- table:[a-z]+ -->$/ {
        table = $2; sub(/table:/, "", table); inside = 1; found++
        while ((getline line < (dir "/" table)) > 0) print line
    }
    END {if (found != 3 || inside) {print "markers of three tables expected" > "/dev/stderr"; exit 1}}
' $doc >"$scratch/doc"
if [ "${1:-}" = --write ]; then
    cat "$scratch/doc" >$doc
else
    diff -u $doc "$scratch/doc" || { echo "run tests/unit/wire_doc.sh --write"; exit 1; }
fi
