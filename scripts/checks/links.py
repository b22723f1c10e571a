#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Looks whether the links in Markdown files and HTML pages lead somewhere; those that leave the
machine are not followed.

    links.py FILE|DIRECTORY...

Of a directory all HTML pages are read. Prints a line for each link that leads nowhere.
"""

import re
import sys
from functools import cache
from pathlib import Path

# Neither a place of ours, nor a link before a script has run.
ELSEWHERE = re.compile(r'[a-z]+:|.*\$\{')


@cache
def headings(path):
    """The names by which a Markdown file's headings are linked."""
    names = set()
    for line in without_code(path).splitlines():
        if match := re.match(r'#+ +(.*)', line):
            text = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', match[1]).strip().lower()
            names.add(re.sub(r'[^\w\- ]', '', text).replace(' ', '-'))
    return names


def without_code(path):
    """The text of a Markdown file but for blocks of code."""
    text = path.read_text(encoding='utf-8')
    return re.sub(r'^```.*?^```', '', re.sub(r'^    .*$', '', text, flags=re.M), flags=re.M | re.S)


def targets(path):
    """What a file links to."""
    if path.suffix == '.md':
        return re.findall(r'\]\(([^)\s]+)\)', without_code(path))
    return re.findall(r'href="([^"]*)"', path.read_text(encoding='utf-8'))


def leads_nowhere(path, target):
    """Whether the link in that file leads nowhere."""
    if ELSEWHERE.match(target):
        return False
    place, _, anchor = target.partition('#')
    to = path.parent / place.partition('?')[0] if place else path
    if not to.exists():
        return True
    return to.suffix == '.md' and anchor != '' and anchor not in headings(to)


def main():
    """Prints what leads nowhere, and fails if there is something."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    files = []
    for path in map(Path, sys.argv[1:]):
        files += sorted(path.rglob('*.html')) if path.is_dir() else [path]
    if not files:
        sys.exit('no files')
    bad = [f'{path}: {target}' for path in files for target in targets(path)
           if leads_nowhere(path, target)]
    if bad:
        sys.exit('\n'.join(bad))


main()
