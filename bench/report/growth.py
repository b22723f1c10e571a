#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draws what grows with the number of connections as an SVG file, which fits light and dark pages.

    growth.py RESULTS [RESULTS ON THE PATCHED KERNEL]

Both axes are logarithmic. A file that is not there counts as empty.
"""

import os
import sys
from html import escape
from math import ceil, floor, log10

from results import Results

# A title, and what the variant of its results is called after the number of connections.
PANELS = (
    ('A packet sent, to each in turn', 'a packet, in turn'),
    ("A packet sent, by Zipf's law", "a packet, by Zipf's law"),
    ('A packet received, from each in turn', 'a packet received, in turn'),
    ('Setting up one more', 'adding one'),
    ('New states for one', 'new states for one'),
    ('Removing one, of all', 'removing one'),
)
# A line's label, which of the files, driver and class.
LINES = (
    ('C', 0, 'c', 'c'),
    ('Rust', 0, 'rust', 'rust'),
    ('Rust, patched kernel', 1, 'rust', 'patched'),
)
# Of a panel; then what is left free around its lines.
WIDTH, HEIGHT = 400, 230
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 40
STYLE = '''
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.grid { stroke: #9aa4af; stroke-opacity: .4 }
polyline { fill: none; stroke-width: 2 }
.c { stroke: #4c78a8 } .rust { stroke: #d9662b } .patched { stroke: #d9662b; stroke-dasharray: 5 4 }
circle { stroke-width: 2; fill: none }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
'''


def text(x, y, content, attributes=''):
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(content)}</text>'


def short(value):
    """A number as an axis shows it."""
    for limit, letter in ((1e6, 'M'), (1e3, 'k')):
        if value >= limit:
            return f'{value / limit:g}{letter}'
    return f'{value:g}'


def points(results, what, driver):
    """The number of connections and the cost, of each result of this kind."""
    for result in results.lines:
        count, _, variant = result.variant.partition(': ')
        if (result.group, result.driver, variant) == ('connections', driver, what) and result.value > 0:
            yield int(count), result.value


def ticks(least, most):
    """Powers of ten, and twice and five times those, from below the least value to above the most."""
    steps = [factor * 10 ** power for power in range(floor(log10(least)) - 1, ceil(log10(most)) + 1)
             for factor in (1, 2, 5)]
    first = max(step for step in steps if step <= least)
    last = min(step for step in steps if step >= most)
    return [step for step in steps if first <= step <= last]


def panel(title, lines, left, top):
    """The elements of a panel: axes, and a line for each of those given."""
    values = [value for _, line in lines for _, value in line]
    counts = [count for _, line in lines for count, _ in line]
    across, up = ticks(min(counts), max(counts)), ticks(min(values), max(values))
    across = [step for step in across if log10(step) == round(log10(step))]

    def place(count, value):
        x = (log10(count) - log10(across[0])) / (log10(across[-1] / across[0]) or 1)
        y = (log10(value) - log10(up[0])) / (log10(up[-1] / up[0]) or 1)
        return left + LEFT + x * (WIDTH - LEFT - RIGHT), top + HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM)

    yield text(left + LEFT, top + TOP - 14, title, ' class="title"')
    for value in up:
        (x, y), (end, _) = place(across[0], value), place(across[-1], value)
        yield f'<line class="grid" x1="{x:.1f}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield text(x - 8, y + 4, short(value), ' text-anchor="end"')
    for count in across:
        x, y = place(count, up[0])
        yield text(x, y + 18, f'{count:,.0f}', ' text-anchor="middle"')
    for style, line in lines:
        places = [place(*point) for point in sorted(line)]
        yield f'<polyline class="{style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
        yield from (f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in places)


def main():
    """Prints the chart."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    files = [Results(path) if os.path.exists(path) else None for path in sys.argv[1:]]
    panels = []
    for title, what in PANELS:
        lines = [(style, list(points(files[file], what, driver)))
                 for _, file, driver, style in LINES if file < len(files) and files[file]]
        lines = [(style, line) for style, line in lines if line]
        if lines:
            panels.append((title, lines))
    columns = 2
    height = 30 + HEIGHT * ceil(len(panels) / columns)
    print('<!-- SPDX-License-Identifier: GPL-2.0 -->')
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns * WIDTH} {height}" '
          f'width="{columns * WIDTH}" height="{height}" role="img" aria-label="What grows with connections">')
    print(f'<style>{STYLE}</style>')
    clock = files[0].about.get('clock', '?') if files[0] else 'instructions'
    print(text(0, 16, f'{clock.capitalize()}, by the number of connections: lower is better', ' class="title"'))
    x = columns * WIDTH - RIGHT
    for label, _, _, style in reversed(LINES):
        x -= 40 + 7 * len(label)
        print(f'<polyline class="{style}" points="{x},12 {x + 24},12"/>')
        print(text(x + 30, 16, label))
    for number, (title, lines) in enumerate(panels):
        for element in panel(title, lines, number % columns * WIDTH, 30 + number // columns * HEIGHT):
            print(element)
    print('</svg>')


main()
