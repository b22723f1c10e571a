#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Adds a multipath route whose nexthops are connections of one device.

    multipath-route.py PREFIX TABLE DEVICE IF_ID...

ip(8) takes "encap xfrm if_id" once in a route. The route has the protocol 77. IPv6 wants a router for
each nexthop: fe80:: and the if_id.
"""

import ipaddress
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))

# pylint: disable=wrong-import-position
from rtnl import (LWT_XFRM_IF_ID, LWTUNNEL_ENCAP_XFRM, NLA_F_NESTED, NLM_F_CREATE, NLM_F_EXCL,
                  RTA_DST, RTA_ENCAP, RTA_ENCAP_TYPE, RTA_GATEWAY, RTM_NEWROUTE, Rtnl, attr)

RTA_MULTIPATH, RTA_TABLE = 9, 15
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RTN_UNICAST = 0, 253, 1


def nexthop(version, ifindex, if_id):
    """A struct rtnexthop with its attributes."""
    rest = attr(RTA_ENCAP_TYPE, struct.pack("=H", LWTUNNEL_ENCAP_XFRM)) + \
        attr(RTA_ENCAP | NLA_F_NESTED, [attr(LWT_XFRM_IF_ID, if_id)])
    if version == 6:
        rest += attr(RTA_GATEWAY, ipaddress.ip_address(f"fe80::{if_id:x}").packed)
    return struct.pack("=HBBi", 8 + len(rest), 0, 0, ifindex) + rest


def main():
    """Adds the route."""
    if len(sys.argv) < 5:
        sys.exit(__doc__.strip())
    prefix, table, device = ipaddress.ip_network(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    family = socket.AF_INET if prefix.version == 4 else socket.AF_INET6
    ifindex = socket.if_nametoindex(device)
    scope = RT_SCOPE_LINK if prefix.version == 4 else RT_SCOPE_UNIVERSE
    header = struct.pack("=BBBBBBBBI", family, prefix.prefixlen, 0, 0, 0, 77, scope, RTN_UNICAST, 0)
    hops = b"".join(nexthop(prefix.version, ifindex, int(if_id)) for if_id in sys.argv[4:])
    answer, _ = Rtnl().request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, header +
                               attr(RTA_DST, prefix.network_address.packed) + attr(RTA_TABLE, table) +
                               attr(RTA_MULTIPATH, hops))
    if answer.error:
        sys.exit(f"{sys.argv[1]}: {os.strerror(answer.error)} {answer.message}")


if __name__ == "__main__":
    main()
