#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draws what was measured as an SVG file, which fits light and dark pages.

    chart.py RESULTS
"""

import sys
from html import escape

from results import Results

# What is drawn: a title, and where its bars are found.
PANELS = (
    ('Transmit, IPv4', 'transmit', 'IPv4, 64 bytes'),
    ('Transmit, IPv6', 'transmit', 'IPv6, 64 bytes'),
    ('Transmit, IPv4, AES-GCM, 1400 bytes', 'transmit aes', 'IPv4, 1400 bytes'),
    ('Forward, IPv4', 'forward', 'IPv4, 64 bytes'),
    ('Transmit and receive, IPv4', 'both', 'IPv4, 64 bytes'),
    ('Transmit, IPv4, to 16384 tenants in turn', 'tenants', '16384 in turn'),
    ("Transmit, IPv4, to 16384 tenants by Zipf's law", 'tenants', "16384 by Zipf's law"),
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
WIDTH, LEFT, RIGHT, BAR, STEP, TITLE = 760, 130, 140, 14, 19, 34
STYLE = '''
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.base { fill: #9aa4af } .c { fill: #4c78a8 } .rust { fill: #d9662b }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .base { fill: #6e7681 } }
'''


def text(x, y, content, attributes=''):
    """A line of text."""
    return f'<text x="{x}" y="{y}"{attributes}>{escape(content)}</text>'


def panel(results, title, group, variant, top):
    """The elements of a panel, and how far down they reach."""
    bars = [(label, results.get(group, variant, kind, driver), style, kind, driver)
            for label, kind, driver, style in BARS]
    bars = [bar for bar in bars if bar[1]]
    if not bars:
        return [], top
    y = top + TITLE
    elements = [text(0, y - 10, title, ' class="title"')]
    scale = (WIDTH - LEFT - RIGHT) / max(result.value for _, result, *_ in bars)
    for label, result, style, kind, driver in bars:
        width = result.value * scale
        note = f'{result.value:,.0f}'
        ratio = results.ratio((group, variant, kind, 'rust'), (group, variant, kind, 'c'))
        if driver == 'rust' and ratio:
            note += f'  ({ratio:.2f} of C)'
        elements += [
            text(LEFT - 8, y + BAR - 3, label, ' text-anchor="end"'),
            f'<rect class="{style}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>',
            text(round(LEFT + width + 6, 1), y + BAR - 3, note),
        ]
        y += STEP
    return elements, y


def main():
    """Prints the chart."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    results = Results(sys.argv[1])
    clock = results.about.get('clock', '?')
    elements, y = [text(0, 16, f'{clock.capitalize()} per packet: less is better', ' class="title"')], 16
    for title, group, variant in PANELS:
        drawn, y = panel(results, title, group, variant, y)
        elements += drawn
    height = y + 6
    print('<!-- SPDX-License-Identifier: GPL-2.0 -->')
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
          f'height="{height}" role="img" aria-label="What a packet costs">')
    print(f'<style>{STYLE}</style>')
    print('\n'.join(elements))
    print('</svg>')


main()
