# SPDX-License-Identifier: GPL-2.0
"""A network namespace for one case of a test, made with the kernel's lib.py."""

# pylint: disable=wrong-import-position
import sys

import rtnl

sys.path.insert(0, rtnl.kernel_library())
from lib.py import NetNS, NetNSEnter, ip


class Namespace:
    """A namespace in which ip has been given some commands, entered; the value is an rtnetlink socket in it."""

    def __init__(self, *commands):
        self.commands = commands

    def __enter__(self):
        self.netns = NetNS()
        for command in self.commands:
            ip(command, ns=str(self.netns))
        self.inside = NetNSEnter(str(self.netns))
        self.inside.__enter__()
        return rtnl.Rtnl()

    def __exit__(self, *exception):
        self.inside.__exit__(*exception)
        self.netns.__del__()
