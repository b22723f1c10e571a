#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draws what was measured as an SVG file, which fits light and dark pages.

    chart.py RESULTS
"""

import sys
from html import escape

from results import Results

# What is drawn, in two columns: a title, and where its bars are found.
PANELS = (
    ('Transmit, IPv4', 'transmit', 'IPv4, 64 bytes'),
    ('Transmit, IPv6', 'transmit', 'IPv6, 64 bytes'),
    ('Receive, IPv4', 'receive', 'IPv4, 64 bytes'),
    ('Transmit and receive, IPv4', 'both', 'IPv4, 64 bytes'),
    ('Forward, IPv4', 'forward', 'IPv4, 64 bytes'),
    ('Transmit, IPv4, AES-GCM, 1400 bytes', 'transmit aes', 'IPv4, 1400 bytes'),
    ('Transmit, 16384 tenants in turn', 'tenants', '16384 in turn'),
    ("Transmit, 16384 tenants by Zipf's law", 'tenants', "16384 by Zipf's law"),
)
# A bar's label, kind, driver and class.
BARS = (
    ('plain UDP', 'plain', 'c', 'base'),
    ('policy-based', 'policy', 'c', 'base'),
    ('static, C', 'static', 'c', 'c'),
    ('static, Rust', 'static', 'rust', 'rust'),
    ('external, C', 'external', 'c', 'c'),
    ('external, Rust', 'external', 'rust', 'rust'),
)
# Of a column, of its labels and of what stands behind its longest bar; then heights.
COLUMN, LABEL, NOTE = 400, 100, 92
BAR, STEP, TITLE = 12, 17, 36
STYLE = '''
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.base { fill: #9aa4af } .c { fill: #4c78a8 } .rust { fill: #d9662b }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .base { fill: #6e7681 } }
'''


def text(x, y, content, attributes=''):
    """A line of text."""
    return f'<text x="{x}" y="{y}"{attributes}>{escape(content)}</text>'


def found(results, group, variant):
    """The bars of a panel for which there is a result: label, class, value, note."""
    for label, kind, driver, style in BARS:
        result = results.get(group, variant, kind, driver)
        if not result:
            continue
        note = f'{result.value:,.0f}'
        ratio = results.ratio((group, variant, kind, 'rust'), (group, variant, kind, 'c'))
        if driver == 'rust' and ratio:
            note += f' ({ratio:.2f})'
        yield label, style, result.value, note


def panel(title, bars, left, top):
    """The elements of a panel."""
    yield text(left, top + TITLE - 10, title, ' class="title"')
    start = left + LABEL
    scale = (COLUMN - LABEL - NOTE) / max(value for _, _, value, _ in bars)
    for number, (label, style, value, note) in enumerate(bars):
        y = top + TITLE + number * STEP
        width = value * scale
        yield text(start - 8, y + BAR - 2, label, ' text-anchor="end"')
        yield f'<rect class="{style}" x="{start}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>'
        yield text(round(start + width + 6, 1), y + BAR - 2, note)


def main():
    """Prints the chart."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    results = Results(sys.argv[1])
    clock = results.about.get('clock', '?').capitalize()
    elements = [text(0, 16, f'{clock} per packet (and relative to C): less is better', ' class="title"')]
    panels = [(title, list(found(results, *where))) for title, *where in PANELS]
    panels = [(title, bars) for title, bars in panels if bars]
    bottom = 16
    for first in range(0, len(panels), 2):
        top = bottom
        for left, (title, bars) in zip((0, COLUMN), panels[first:first + 2]):
            elements += panel(title, bars, left, top)
            bottom = max(bottom, top + TITLE + len(bars) * STEP)
    width, height = 2 * COLUMN, bottom + 6
    print('<!-- SPDX-License-Identifier: GPL-2.0 -->')
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
          f'height="{height}" role="img" aria-label="What a packet costs">')
    print(f'<style>{STYLE}</style>')
    print('\n'.join(elements))
    print('</svg>')


main()
