# SPDX-License-Identifier: GPL-2.0
"""Names for the addresses that QEMU's plugins have noted."""

import bisect
import subprocess

# The lower half of the addresses is user space.
KERNEL = 1 << 63


class Symbols:
    """The kernel's functions by address."""

    def __init__(self, path):
        symbols = []
        for line in path.read_text().splitlines():
            address, kind, name = line.split(maxsplit=2)
            if kind in 'tTwW':
                symbols.append((int(address, 16), name.replace('\t', ' ')))
        symbols.sort()
        self.addresses = [address for address, _ in symbols]
        self.names = [name for _, name in symbols]

    def name(self, address):
        """The function that an address is in."""
        if address < KERNEL:
            return '(user space)'
        index = bisect.bisect_right(self.addresses, address) - 1
        return self.names[index] if index >= 0 else '(unknown)'


def readable(names):
    """A mapping from the names to what a compiler has made them from."""
    done = subprocess.run(['llvm-cxxfilt-19'], input='\n'.join(names), capture_output=True,
                          text=True, check=True)
    return dict(zip(names, done.stdout.splitlines()))
