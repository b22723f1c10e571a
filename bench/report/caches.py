#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Adds to the results what a packet misses in caches, and prints where.

    caches.py DIRECTORY tenants|connections CPUS RESULTS

The directory holds what run-watched.sh and caches.c leave: of packets that are sent to tenants, or
that are received from connections, with the sender's part.
"""

import sys
from collections import Counter, namedtuple
from pathlib import Path

from symbols import Symbols, readable

# What is counted of a packet: a name, which lines of the plugin's, and which of their fields.
COUNTED = (
    ('L1, instructions', 'i', 3),
    ('L1, data', 'd', 3),
    ('last level', 'id', 4),
    ('from another CPU', 'd', 5),
)
# A function with fewer misses of a packet is not shown.
LEAST = 1
Round = namedtuple('Round', 'driver count packets sites lines')
Line = namedtuple('Line', 'number moved writers')


def read(path, driver, count, packets):
    """What one file of the plugin's holds."""
    sites, lines = [], []
    for text in path.read_text().splitlines():
        kind, *words = text.split()
        if kind == 'w':
            lines.append(Line(int(words[0], 16), int(words[1]), [int(pc, 16) for pc in words[2:]]))
        else:
            sites.append((kind, int(words[0], 16), *map(int, words[1:])))
    return Round(driver, count, packets, sites, lines)


def label(group, count, cpus):
    """What the results of a round are called, but for what is counted."""
    direction = 'sent' if group == 'tenants' else 'sent and received'
    return (f'{direction}, {count} {"tenant" if count == 1 else "tenants"}, '
            f'{cpus} {"CPU" if cpus == 1 else "CPUs"}')


def own_lines(data, symbols):
    """How often lines moved between CPUs that the driver writes, by the functions that write them."""
    moved = Counter()
    for line in data.lines:
        names = sorted({symbols.name(pc) for pc in line.writers})
        own = tuple(name for name in names if '[xfrm_interface' in name)
        if own:
            moved[own] += line.moved / data.packets
    return moved


def results(data, symbols, cpus):
    """The lines for the file of results."""
    for name, kinds, field in COUNTED:
        if name == 'from another CPU' and cpus == 1:
            continue
        yield name, sum(site[field] for site in data.sites if site[0] in kinds) / data.packets
    if cpus > 1:
        yield 'the same, of lines that the driver writes', sum(own_lines(data, symbols).values())


def where(rounds, symbols, what, name, kinds, field):
    """A table: the functions that miss most."""
    columns = {}
    for data in rounds:
        counts = columns[data.driver, data.count] = Counter()
        for site in data.sites:
            if site[0] in kinds:
                counts[symbols[data.driver].name(site[1])] += site[field] / data.packets
    functions = sorted({name for counts in columns.values() for name in counts},
                       key=lambda name: -max(counts[name] for counts in columns.values()))
    functions = [name for name in functions if max(counts[name] for counts in columns.values()) >= LEAST]
    shown = readable(functions)
    yield f'Misses of a packet, {what}: {name}'
    yield ''.join(f'{f"{driver}, {count}":>14}' for driver, count in columns)
    yield ''.join(f'{sum(counts.values()):14,.1f}' for counts in columns.values()) + '  all'
    for function in functions:
        yield ''.join(f'{counts[function]:14,.1f}' for counts in columns.values()) + f'  {shown[function]}'
    yield ''


def main():
    """Adds and prints."""
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    directory, group, cpus = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    rounds, symbols = [], {}
    for text in (directory / 'order').read_text().splitlines():
        driver, count, packets, number = text.split()
        if driver not in symbols:
            symbols[driver] = Symbols(directory / f'symbols.{driver}')
        rounds.append(read(directory / f'round.{number}', driver, int(count), int(packets)))

    with open(sys.argv[4], 'a', encoding='utf-8') as file:
        for data in rounds:
            for name, value in results(data, symbols[data.driver], cpus):
                file.write('\t'.join(('caches', f'{label(group, data.count, cpus)}: {name}', 'external',
                                      data.driver, 'misses', *(f'{value:.2f}',) * 3)) + '\n')
    for name, kinds, field in COUNTED:
        if cpus > 1 or name != 'from another CPU':
            print('\n'.join(where(rounds, symbols, label(group, 'so many', cpus), name, kinds, field)))
    for data in rounds:
        for own, moved in own_lines(data, symbols[data.driver]).most_common(5):
            names = ', '.join(readable(own).values())
            print(f'{data.driver}, {label(group, data.count, cpus)}: {moved:.2f} of lines that are written by {names}')


main()
