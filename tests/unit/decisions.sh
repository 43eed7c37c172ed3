#!/bin/sh
# The records of docs/decisions: each number once, the same in the file's name and its first line; every number and file that is referred to exists.
set -eu
cd "${1:-$(dirname "$0")/../..}"
bad=0
say() { echo "$*"; bad=1; }
for f in docs/decisions/*.md; do
    name=${f##*/}
    n=${name%%-*}
    [ "$(ls docs/decisions | grep -c "^$n-")" = 1 ] || say "$f: number $n is given more than once"
    [ "$(head -c 8 "$f")" = "# $n: " ] || say "$f: its first line does not begin with '# $n: '"
done
sources='README.md CHANGES.md docs base nat overlay vnet node daemon sim tests'
refs=$(grep -rhoE --include=*.[ch] --include=*.md --include=*.sim '(decision |decisions/)[0-9]{4}(-[a-z0-9-]+\.md)?' $sources | sed 's/.*[ /]//' | sort -u)
[ -n "$refs" ] || say "no reference found: this test looks in the wrong place"
for r in $refs; do
    case $r in
    *.md) [ -e "docs/decisions/$r" ] || say "docs/decisions/$r is referred to, but not there" ;;
    *) ls docs/decisions/"$r"-*.md >/dev/null 2>&1 || say "decision $r is referred to, but not there" ;;
    esac
done
exit $bad
