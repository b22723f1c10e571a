#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints in which functions the instructions of a packet were executed.

    profile.py DIRECTORY

The directory holds what run-watched.sh and profile.c leave. A packet's part of what the kernel does
meanwhile, such as timers and the freeing of memory, is included.
"""

import sys
from collections import Counter
from pathlib import Path

from symbols import Symbols, readable

def profile(path, symbols, packets):
    """The instructions of a packet, by function."""
    counts = Counter()
    for line in path.read_text().splitlines():
        address, count = line.split()
        counts[symbols.name(int(address, 16))] += int(count) / packets
    return counts


def main():
    """Prints the table."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = Path(sys.argv[1])
    columns = {}
    symbols = {}
    for line in (directory / 'order').read_text().splitlines():
        driver, kind, packets, number = line.split()
        if driver not in symbols:
            symbols[driver] = Symbols(directory / f'symbols.{driver}')
        label = kind if kind in ('plain', 'policy', 'vti') else f'{kind}, {driver}'
        columns[label] = profile(directory / f'round.{number}', symbols[driver], int(packets))

    functions = sorted({name for counts in columns.values() for name in counts},
                       key=lambda name: -max(counts[name] for counts in columns.values()))
    shown = readable(functions)
    print('Instructions per packet, by function; functions that never take 5 are left out\n')
    print(''.join(f'{label:>18}' for label in columns))
    print(''.join(f'{sum(counts.values()):18,.0f}' for counts in columns.values()) + '  all')
    for name in functions:
        if max(counts[name] for counts in columns.values()) >= 5:
            print(''.join(f'{counts[name]:18,.0f}' for counts in columns.values()) + f'  {shown[name]}')


main()
