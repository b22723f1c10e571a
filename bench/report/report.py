#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints what was measured as tables, whether it could be repeated, and which goals are met.

    report.py RESULTS [RESULTS OF THE RUN BEFORE]
"""

import sys

from goals import goals
from results import Results, unique

TITLES = {
    'transmit': 'Transmit: onto a dummy underlay',
    'both': 'Transmit and receive: over veth, into a socket, and read from it',
    'receive': 'Receive: the same from a sender with policies, less what that costs to transmit',
    'forward': "Forward: from a veth onto a dummy underlay, with the host's part",
    'tenants': 'Tenants: transmit through one external device, each packet to another tenant',
    'connections': 'Connections on one external device, by their number',
    'caches': 'Caches: what a packet misses, of 32 kB for instructions and for data each, and of 8 MB for all',
    'bulk': 'Bulk: one megabyte over veth, sent and received',
    'scale': 'Tenants on a static device each, and all on one external device',
    'lookup': "Receive through one of many static devices, all in one bucket of C's table",
    'devices': 'Devices',
    'transmit aes': 'Transmit, AES-GCM',
    'both aes': 'Transmit and receive, AES-GCM',
    'bulk aes': 'Bulk: the same, AES-GCM',
}
KINDS = {
    'plain': 'plain UDP',
    'policy': 'policy-based',
    'vti': 'VTI',
    'static': 'static',
    'external': 'external, route',
    'bpf': 'external, BPF',
}
# What each driver's column is called. Ours appears once, or as a module and built in.
COLUMNS = {'c': 'C', 'rust': 'Rust', 'builtin': 'built in'}
# How far two measurements of the same may be apart.
TOLERANCE = 0.01


def shown(result, packets):
    """The value as text. Times of packets are shown as packets per second."""
    if result is None:
        return ''
    if result.unit == 'nanoseconds' and packets:
        return f'{1e9 / result.value:,.0f}/s'
    return f'{result.value:,.1f}' if result.unit == 'misses' else f'{result.value:,.0f}'


def has_builtin(results):
    """Whether there is a kernel that our driver was built into."""
    return any(r.driver == 'builtin' for r in results.lines)


def row(results, drivers, group, variant, kind, label):
    """A line of a table."""
    theirs = results.get(group, variant, kind, 'c')
    ours = [results.get(group, variant, kind, driver) for driver in drivers[1:]]
    ours = [None if result is theirs else result for result in ours]
    packets = group not in ('devices', 'caches') and 'one' not in variant.split()
    line = f'  {label:44}'
    line += ''.join(f'{shown(result, packets):>14}' for result in (theirs, *ours))
    for result in ours:
        ratio = f'{result.value / theirs.value:.3f}' if result and theirs and theirs.value else ''
        line += f'{ratio:>12}'
    return line.rstrip()


def table(results, group):
    """The lines of a group's table."""
    drivers = [d for d in COLUMNS if d != 'builtin' or has_builtin(results)]
    lines = [r for r in results.lines if r.group == group]
    yield ''
    yield TITLES.get(group, group)
    names = [COLUMNS[driver] for driver in drivers]
    yield f'{"":46}' + ''.join(f'{name:>14}' for name in names) + ''.join(f'{name + "/C":>12}' for name in names[1:])
    for variant in unique(r.variant for r in lines):
        measured = [r for r in lines if r.variant == variant]
        kinds = unique(r.kind for r in measured)
        units = '' if measured[0].unit == results.about.get('clock') else f' ({measured[0].unit})'
        if len(kinds) == 1:
            yield row(results, drivers, group, variant, kinds[0], variant + units)
            continue
        yield f'  {variant}{units}'
        for kind in kinds:
            yield row(results, drivers, group, variant, kind, '  ' + KINDS.get(kind, kind))


def repeated(results):
    """A line about each group that was measured again."""
    pairs = [(results.get('transmit', r.variant, r.kind, r.driver), r)
             for r in results.lines if r.group == 'again']
    if not pairs:
        return
    apart, first, again = max((abs(b.value / a.value - 1), a, b) for a, b in pairs if a)
    verdict = 'agree' if apart <= TOLERANCE else 'DO NOT AGREE'
    yield ''
    yield (f'{len(pairs)} measurements of transmission, done twice, {verdict} within {TOLERANCE:.0%}: the '
           f'largest difference is {apart:.2%}')
    yield (f'({first.variant}, {first.kind}, {first.driver}: {first.value:,.0f} and {again.value:,.0f}).')


def compared(results, before):
    """Lines about what is not as in the run before. That may have been of another version of our driver."""
    if before.about != results.about:
        return
    pairs = [(before.by_key[key], result) for key, result in results.by_key.items()
             if key in before.by_key and 'with waits' not in result.variant and before.by_key[key].value]
    pairs.sort(key=lambda pair: -abs(pair[1].value / pair[0].value - 1))
    apart = [(a, b) for a, b in pairs if abs(b.value / a.value - 1) > TOLERANCE]
    if not pairs:
        return
    yield ''
    yield f'{len(pairs) - len(apart)} of {len(pairs)} results agree within {TOLERANCE:.0%} with the run before.'
    if apart:
        yield 'These DO NOT AGREE:'
    for a, b in apart:
        yield f'  {b.group + ", " + b.variant:50}{b.kind:>10}{b.driver:>9}{a.value:>14,.0f}{b.value:>14,.0f}'


def noise(results):
    """A line about the rounds of which results are the means, where the clock counts time."""
    spreads = [((r.most - r.least) / r.value, r) for r in results.lines if r.unit == 'nanoseconds' and r.value > 0]
    if not spreads:
        return
    spread, result = max(spreads)
    yield ''
    yield (f'Rounds of one measurement are up to {spread:.0%} apart ({result.group}, {result.variant}, '
           f'{result.kind}, {result.driver}).')
    if spread > TOLERANCE:
        yield 'DO NOT RELY on smaller differences: this machine has other things to do.'


def judged(results):
    """The goals that something was measured for. They are for kernels as they are."""
    if has_builtin(results):
        return
    lines = []
    for name, limit, ours, other in goals():
        ratio = results.ratio(ours, other)
        if ratio is not None:
            verdict = 'met' if ratio <= limit else 'MISSED'
            lines.append(f'  {name:70}{shown(results.get(*other), False):>14}{shown(results.get(*ours), False):>14}'
                         f'{ratio:>10.3f}{limit:>8.2f}  {verdict}')
    if lines:
        yield ''
        title = f'What it may cost ({results.about.get("clock", "?")} for packets)'
        yield f'{title:72}{"C or other":>14}{"Rust":>14}{"ratio":>10}{"limit":>8}'
        yield from lines


def main():
    """Prints the report."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    results, *before = (Results(path) for path in sys.argv[1:])
    if not results.lines:
        sys.exit('nothing was measured')
    instructions = results.about.get('clock') == 'instructions'
    print('Instructions per packet' if instructions else 'Packets per second (Rust/C is a ratio of times)',
          'of kernel', results.about.get('kernel', '?') + ', one processor')
    if has_builtin(results):
        print('C and Rust: as modules of the first kernel; built in: the second one, which inlines C helpers into Rust')
    for group in unique(r.group for r in results.lines if r.group != 'again'):
        print('\n'.join(table(results, group)))
    differences = compared(results, *before) if before else ()
    for line in (*repeated(results), *noise(results), *differences, *judged(results)):
        print(line)


main()
