# SPDX-License-Identifier: GPL-2.0
"""What was measured, as measure/lib.sh has saved it."""

from collections import namedtuple

Result = namedtuple('Result', 'group variant kind driver unit value least most')


class Results:
    """The lines of a file of results, and its comments ("# name value")."""

    def __init__(self, path):
        self.lines = []
        about = {}
        with open(path, encoding='utf-8') as file:
            for line in file:
                if line.startswith('#'):
                    name, value = line[1:].strip().split(' ', 1)
                    about.setdefault(name, []).append(value)
                else:
                    *words, value, least, most = line.rstrip('\n').split('\t')
                    self.lines.append(Result(*words, float(value), float(least), float(most)))
        # More than one kernel is named if there was more than one.
        self.about = {name: ' and '.join(unique(values)) for name, values in about.items()}
        self.by_key = {(r.group, r.variant, r.kind, r.driver): r for r in self.lines}

    def get(self, group, variant, kind, driver):
        """The result, of either driver where it goes through none, or None."""
        return self.by_key.get((group, variant, kind, driver)) or \
            self.by_key.get((group, variant, kind, '-'))

    def ratio(self, numerator, denominator):
        """The quotient of two results, or None if one is missing."""
        above, below = self.get(*numerator), self.get(*denominator)
        return above.value / below.value if above and below and below.value else None


def unique(items):
    """The items without repetitions, in their order."""
    return list(dict.fromkeys(items))
