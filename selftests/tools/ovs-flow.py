#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Adds flows to a datapath of the kernel's Open vSwitch, in the words of its netlink specification: ovs-dpctl
does not know the actions that take off and put on the header of Ethernet.

    ovs-flow.py DATAPATH <FLOWS            each line is a flow in JSON: {"key": …, "mask": …, "actions": …}
"""

import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
# pylint: disable=wrong-import-position
import rtnl

SOURCE = os.path.join(rtnl.kernel_library(), "../../../..")
sys.path.insert(0, os.path.join(SOURCE, "tools/net/ynl/pyynl"))
from lib import YnlFamily


def main():
    """Adds the flows that standard input has."""
    flows = YnlFamily(os.path.join(SOURCE, "Documentation/netlink/specs/ovs_flow.yaml"), schema="")
    datapath = socket.if_nametoindex(sys.argv[1])
    for line in sys.stdin:
        flows.do("new", {"dp-ifindex": datapath} | json.loads(line))


main()
