#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Judges the data races that KCSAN reports in the kernel's log.

usage: kcsan.py LOG KNOWN

Reports the driver answers for are printed whole, and make it fail: those where a function of the driver's
module is in one of the two stack traces, unless KNOWN has the race (see there). Of races elsewhere in the
kernel it prints the names, and how often each was reported.
"""

import collections
import fnmatch
import re
import sys

TIME = re.compile(r'^\[ *\d+\.\d+\] ')
TITLE = re.compile(r'BUG: KCSAN: (?:data-race|assert: race) in (.*)')
ACCESS = re.compile(r'^(?:race at unknown origin, with )?(?:read|write|read-write|assert no \w+)\b.* to 0x[0-9a-f]+ of ')
FRAME = re.compile(r'^ (?:\? )?([\w.$]+)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[(\w+)\])?')
END = '=' * 66
DRIVERS = ('xfrm_interface_rust', 'xfrm_interface')

# Where one thing ends and another begins on the same stack: what was interrupted has called nothing
# there.
INTERRUPTED = re.compile(r'^(handle_softirqs|__do_softirq|do_softirq|__local_bh_enable_ip|asm_\w+|sysvec_\w+)$')


class Report:
    """What is between two lines of "=": a title and the stack trace of each access."""

    def __init__(self, title):
        self.title = re.sub(r'\+0x\S+| \[\w+\]', '', title)
        self.lines = [title]
        self.traces = []

    def add(self, line):
        """Takes a line, if it is one of a report; others may have been logged meanwhile."""
        frame = FRAME.match(line)
        if ACCESS.match(line):
            self.traces.append([])
        elif frame and self.traces:
            self.traces[-1].append(frame.groups())
        elif not line.startswith('value changed: '):
            return
        self.lines.append(line)

    def of_driver(self):
        for trace in self.traces:
            for function, module in trace:
                if INTERRUPTED.match(function):
                    break
                if module in DRIVERS:
                    return True
        return False

    def by_driver(self):
        """Whether the driver itself makes one of the accesses."""
        return any(trace and trace[0][1] in DRIVERS for trace in self.traces)

    def key(self):
        return tuple(self.lines[0:1]) + tuple(tuple(trace) for trace in self.traces)


def read_reports(log):
    report = None
    for line in log:
        line = TIME.sub('', line.rstrip('\n'))
        title = TITLE.search(line)
        if title:
            if report:
                yield report
            report = Report(title.group(1))
        elif report and line == END:
            yield report
            report = None
        elif report:
            report.add(line)
    if report:
        yield report


def read_known(name):
    with open(name) as file:
        lines = [line.strip() for line in file]
    return [line.split('  ')[0] for line in lines if line and not line.startswith('#')]


def main():
    known = read_known(sys.argv[2])
    ours, excused, elsewhere = collections.Counter(), collections.Counter(), collections.Counter()
    first = {}
    with open(sys.argv[1], errors='replace') as log:
        for report in read_reports(log):
            if not report.of_driver():
                elsewhere[report.title] += 1
            elif not report.by_driver() and any(fnmatch.fnmatchcase(report.title, race) for race in known):
                excused[report.title] += 1
            else:
                ours[report.key()] += 1
                first.setdefault(report.key(), report)
    for key, count in ours.most_common():
        print(f'data race of the driver, reported {count} times:')
        for line in first[key].lines:
            print(f'  {line}')
    for what, races in (('below the driver, known', excused), ('elsewhere in the kernel', elsewhere)):
        print(f'{sum(races.values())} reports of {len(races)} data races {what}')
        for title, count in races.most_common():
            print(f'  {count} {title}')
    sys.exit(1 if ours else 0)


main()
