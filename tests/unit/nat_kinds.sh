#!/bin/bash
# The simulator's kinds of NAT are natlab's: what a box of sim/nat does against tests/natlab's table of kinds (README.md), what `natlab verify`
# holds real boxes to (verify), and its defaults (natlab).
set -euo pipefail
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MFLAGS MAKELEVEL
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
make -s say= build/lib/sim.a build/lib/base.a
${CC:-cc} -std=c17 -D_GNU_SOURCE -I. -o "$scratch/kinds" tests/nat_kinds.c build/lib/sim.a build/lib/base.a -lsodium
"$scratch/kinds" >"$scratch/sim"
cat >"$scratch/compare.py" <<'END'
import re
import sys

sim = {line.split()[0]: line.split()[1:] for line in open(sys.argv[1])}
default = sim.pop('default')
natlab, readme, verify = (open('tests/natlab/' + f).read() for f in ('natlab', 'README.md', 'verify'))
wrong = []


def same(what, ours, theirs):
    if ours != theirs:
        wrong.append(f'{what}: sim/nat {ours}, natlab {theirs}')


# README.md: kind, mapping, filtering, ports
table = dict(re.findall(r'^\| `([a-z-]+)` +\|(.*)\|$', readme.split('## Kinds')[1].split('## Options')[0], re.M))
blocked = {'none', 'udp-blocked'}
same('kinds of README.md', sorted(sim), sorted(set(table) - blocked))
ports = ''
for kind, row in table.items():
    mapping, filtering, said = (cell.strip() for cell in row.split('|'))
    if said != 'the same':
        ports = ('preserved' if re.match(r'preserved if free|plain masquerade|`port-restricted`', said) else
                 'random' if said.startswith('random') else 'step+1' if 'steps of `delta`' in said else said)
    if kind in sim:
        same(f'{kind}, README.md', sim[kind][:3], [mapping, filtering, ports])

# verify: what is measured at boxes of the kernel
claims = re.search(r"claims='(.*?)'", verify, re.S).group(1)
seen = set()
for line in claims.split('\n'):
    _, spec, claim = (part.split() for part in line.split('|'))
    kind, options = spec[0], dict(o.split('=') for o in spec[1:])
    if kind not in sim or not claim or 'behind' in options:
        continue
    mapping, filtering, port, hairpin = sim[kind]
    if options.get('ports') == 'random':
        port = 'other'
    port = port.replace('step+1', 'step+' + options.get('delta', '1'))
    if options.get('hairpin') != 'yes':
        hairpin = 'no'
    same(f'{kind} {options}, verify', [mapping, filtering, port, hairpin], claim[:4])
    seen.add(kind)
same('kinds that verify measures', sorted(set(sim) - {'cgn'}), sorted(seen))  # cgn has no host of its own there

# natlab: what a site gets that says nothing else
for option in default:
    if not re.search(rf'\b{option}\b', re.search(r'for opt in kind=.*?; do', natlab, re.S).group(0)):
        wrong.append(f'default {option} of scenarios is not natlab\'s')
print(*wrong, sep='\n')
sys.exit(bool(wrong))
END
python3 "$scratch/compare.py" "$scratch/sim"
