#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Says which lines of the driver were executed, and which were not.

usage: coverage.py MODULE REASONS COUNTERS...

MODULE was compiled with COVERAGE=1. COUNTERS are the values of its counters, as bpftool dumps a map of
them, after one or more runs. REASONS says why some lines are not reached. Runs in the sandbox, with the
checkout at /src.

rustc gives each region of the source a counter before anything is inlined, so that a line is seen wherever
it ends up, and code of the kernel's that is inlined into ours is not. What the counters stand for is in
the module, too. LLVM's tools want them in a file as a program in user space writes it when it exits.
"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile

PROFILE_MAGIC = 0xff6c70726f667281
PROFILE_VERSION = 10  # that of LLVM 19
RECORD = 64  # bytes that describe a function
LAST_VALUE_KIND = 2

CHECKOUT = '/src/'
SOURCES = CHECKOUT + 'rust/'

# A line of a region that has no code: empty, a comment, or nothing but the end of something.
NO_CODE = re.compile(r'\s*(//.*|[][{}(),;]*)$')

# What only the compiler executes has counters all the same.
CONST_FN = re.compile(r'(\s*)(pub(\(\w+\))? )?const (unsafe )?fn ')


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def section(module, name, work):
    path = os.path.join(work, name)
    run('objcopy', '--dump-section', f'{name}={path}', module, '/dev/null')
    with open(path, 'rb') as file:
        return bytearray(file.read())


def profile(module, values, work):
    """A raw profile: a header, the records of the functions, their counters, their names."""
    records = section(module, '__llvm_prf_data', work)
    names = section(module, '__llvm_prf_names', work)
    count = len(section(module, '__llvm_prf_cnts', work)) // 8
    # A record says where its counters are, as a distance. So let both sections begin at 0.
    for offset, addend in re.findall(r'^([0-9a-f]+) .* R_X86_64_PC64 .* __llvm_prf_cnts \+ ([0-9a-f]+)$',
                                     run('readelf', '--relocs', '--wide', module), re.MULTILINE):
        at = int(offset, 16)
        struct.pack_into('<q', records, at, int(addend, 16) - at)
    header = struct.pack(
        '<16Q', PROFILE_MAGIC, PROFILE_VERSION,
        0,  # bytes of build ids
        len(records) // RECORD, 0, count, 0,
        0, 0,  # bitmaps
        len(names), 0, 0, 0,
        0, 0,  # virtual tables
        LAST_VALUE_KIND)
    counters = struct.pack(f'<{count}Q', *values[:count])
    return header + records + counters + names + bytes(-len(names) % 8)


def line_counts(module, values):
    """How often each line of the regions was executed, as {file: {line: count}}."""
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, 'profile')
        with open(path + '.raw', 'wb') as file:
            file.write(profile(module, values, work))
        run('llvm-profdata-19', 'merge', '-o', path, path + '.raw')
        lcov = run('llvm-cov-19', 'export', '--format=lcov', f'--instr-profile={path}', module)
    files = {}
    for line in lcov.splitlines():
        if line.startswith('SF:'):
            lines = files.setdefault(line[3:], {})
        elif line.startswith('DA:'):
            number, count = line[3:].split(',')[:2]
            lines[int(number)] = int(count)
    return {name[len(CHECKOUT):]: lines for name, lines in files.items() if name.startswith(SOURCES)}


def lines_with_code(lines, source):
    """Those of the lines that could have been executed by the module."""
    compiler = set()
    for number, text in enumerate(source, 1):
        begin = CONST_FN.match(text)
        if begin and lines.get(number) == 0:
            end = source.index(begin[1] + '}', number)
            compiler |= set(range(number, end + 2))
    return {number: count for number, count in lines.items()
            if number not in compiler and not NO_CODE.match(source[number - 1])}


class Reasons:
    """Why lines are not reached: "FILE: FIRST LINE" or "FILE: FIRST LINE ... LAST LINE", as in the source
    but for spaces around them, and below it, indented, the reason. Where that begins with "by chance:",
    some runs reach the line."""

    def __init__(self, path):
        self.entries = []
        with open(path, encoding='utf-8') as file:
            for line in file:
                if line.startswith('#') or not line.strip():
                    continue
                if line[0].isspace():
                    self.entries[-1][3] += ' ' + line.strip()
                    continue
                name, _, text = line.strip().partition(': ')
                first, _, last = text.partition(' ... ')
                self.entries.append([name, first, last, ''])
        self.used = set()

    def explained(self, name, source):
        """The numbers of the lines that have a reason, as {line: reason}."""
        lines = {}
        for entry, (file, first, last, reason) in enumerate(self.entries):
            if file != name:
                continue
            inside = False
            for number, text in enumerate(source, 1):
                inside = inside or text.strip() == first
                if inside:
                    lines[number] = (reason.strip(), entry)
                    inside = last != '' and text.strip() != last
        return lines


def main():
    module, path, *runs = sys.argv[1:]
    values = []
    for counters in runs:
        with open(counters, encoding='utf-8') as file:
            one = [entry['formatted']['value'] for entry in json.load(file)]
        values = [a + b for a, b in zip(values or [0] * len(one), one)]
    reasons = Reasons(path)
    totals = [0, 0, 0]
    missing = []
    print(f'{"file":28} {"lines":>8} {"reached":>8} {"":>7} {"excused":>8} {"missed":>8}')
    for name, lines in sorted(line_counts(module, values).items()):
        with open(CHECKOUT + name, encoding='utf-8') as file:
            source = file.read().splitlines()
        lines = lines_with_code(lines, source)
        explained = reasons.explained(name, source)
        if not lines:
            continue
        unreached = [number for number in sorted(lines) if lines[number] == 0]
        rest = [number for number in unreached if number not in explained]
        reasons.used |= {explained[number][1] for number in unreached if number in explained}
        missing += [f'{name}:{number}: {source[number - 1].strip()}' for number in rest]
        numbers = [len(lines), len(lines) - len(unreached), len(unreached) - len(rest)]
        totals = [a + b for a, b in zip(totals, numbers)]
        row(name, *numbers)
    row('all', *totals)
    for number, entry in enumerate(reasons.entries):
        if number not in reasons.used and not entry[3].startswith(' by chance:'):
            print(f'reached or gone, although {path} has a reason: {entry[0]}: {entry[1]}')
    if missing:
        print('\nmissed, that is neither reached nor excused:')
        print('\n'.join(missing))
    print(f'\n{100 * totals[1] / totals[0]:.1f}% of {totals[0]} lines reached,'
          f' {100 * totals[2] / totals[0]:.1f}% excused ({path} says why),'
          f' {100 * len(missing) / totals[0]:.1f}% missed')


def row(name, lines, reached, reason):
    percent = 100 * reached / lines if lines else 100
    print(f'{name:28} {lines:8} {reached:8} {percent:6.1f}% {reason:8} {lines - reached - reason:8}')


if __name__ == '__main__':
    main()
