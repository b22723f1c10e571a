# SPDX-License-Identifier: GPL-2.0
"""From what the kernel dumps to what it takes: the body of the request that makes an address, a
route, a next hop, a neighbour. What can't be asked for is left out, and so is what changes by
itself, so that two of them are equal if they stand for the same.

What is dumped is nearly, but not quite, what is taken. "ip route restore", for one, sends nested
attributes back without the flag that says so, and is refused where a route is encapsulated."""

import socket
import struct

from .netlink import NLA_F_NESTED, attr, attrs, u32, walk

AF_INET, AF_INET6 = socket.AF_INET, socket.AF_INET6
RTNH_F_PERVASIVE, RTNH_F_ONLINK = 2, 4
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 4, 5, 6, 7
RTA_METRICS, RTA_MULTIPATH, RTA_CACHEINFO, RTA_TABLE, RTA_VIA = 8, 9, 12, 15, 18
RTA_ENCAP_TYPE, RTA_ENCAP, RTA_EXPIRES, RTA_PAD, RTA_NH_ID = 21, 22, 23, 24, 30
LWTUNNEL_ENCAP_XFRM = 10
NHA_ID, NHA_GROUP, NHA_GROUP_TYPE, NHA_OIF = 1, 2, 3, 5
NHA_ENCAP_TYPE, NHA_ENCAP, NHA_RES_GROUP = 7, 8, 12
NHA_FORM = (NHA_ID, NHA_GROUP, NHA_GROUP_TYPE, 4, NHA_OIF, 6, NHA_ENCAP_TYPE, NHA_ENCAP,
            NHA_RES_GROUP)
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_ANYCAST = 1, 2, 3, 4, 5
IFA_CACHEINFO, IFA_FLAGS, IFA_RT_PRIORITY, IFA_PROTO = 6, 8, 9, 11
# NODAD, HOMEADDRESS, MANAGETEMPADDR, NOPREFIXROUTE, MCAUTOJOIN, STABLE_PRIVACY is the kernel's.
IFA_F_ASKED = 0x02 | 0x10 | 0x100 | 0x200 | 0x400
IFA_F_TEMPORARY = 0x01
FOREVER = 0xFFFFFFFF
NUD_PERMANENT, NTF_PROXY = 0x80, 0x08
NDA_DST, NDA_LLADDR, NDA_PROTOCOL, NDA_FLAGS_EXT = 1, 2, 12, 15


class Address:
    """An address of a device; "body" makes it."""
    def __init__(self, body):
        self.family, plen, self.flags, scope, self.index = struct.unpack("=BBBBi", body[:8])
        found = attrs(body[8:])
        self.flags = u32(found.get(IFA_FLAGS), self.flags)
        self.local = found.get(IFA_LOCAL, found.get(IFA_ADDRESS))
        flags = self.flags & IFA_F_ASKED
        preferred = valid = FOREVER
        if IFA_CACHEINFO in found:
            preferred, valid = struct.unpack_from("=II", found[IFA_CACHEINFO])
        out = struct.pack("=BBBBi", self.family, plen, flags & 0xFF, scope, self.index)
        for kind in (IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_ANYCAST, IFA_RT_PRIORITY,
                     IFA_PROTO):
            if kind in found:
                out += attr(kind, found[kind])
        out += attr(IFA_FLAGS, flags)
        # What is left of it is less each second.
        self.key = out + struct.pack("=??", preferred != FOREVER, valid != FOREVER)
        self.body = out + attr(IFA_CACHEINFO, struct.pack("=IIII", preferred, valid, 0, 0))

    def __str__(self):
        return f"address {socket.inet_ntop(self.family, self.local)}"


def _hop(attributes):
    """The attributes of a next hop, in the form in which they are taken."""
    return b"".join(
        attr(kind | NLA_F_NESTED if kind == RTA_ENCAP else kind, value)
        for kind, value in attributes)


class Route:
    """A route; "body" makes it. It leaves by the devices in "devices", and by the next hop object
    "nhid"; "encap" is how many encapsulations it has that are ours."""
    def __init__(self, body):
        (self.family, plen, src, tos, table, self.protocol, scope, self.type,
         flags) = struct.unpack("=BBBBBBBBI", body[:12])
        attributes = list(walk(body[12:]))
        found = dict(attributes)
        self.table = u32(found.get(RTA_TABLE), table)
        self.nhid = u32(found.get(RTA_NH_ID))
        self.source = found.get(RTA_PREFSRC)
        self.gateway = RTA_GATEWAY in found or RTA_VIA in found
        self.devices, self.encap = set(), 0
        self.destination = found.get(RTA_DST, bytes(4 if self.family == AF_INET else 16)), plen
        # Of IPv4 routes with the same, the first is used.
        self.place = (self.family, self.table, self.destination, tos, u32(found.get(RTA_PRIORITY)))
        self.multipath = RTA_MULTIPATH in found and not self.nhid
        out, expires = [], b""
        for kind, value in attributes:
            if kind == RTA_CACHEINFO:
                left = struct.unpack_from("=i", value, 8)[0]
                if left > 0 and self.family == AF_INET6:
                    expires = attr(RTA_EXPIRES, max(left // 100, 1))
            elif kind == RTA_OIF and not self.nhid:
                self.devices.add(u32(value))
                out.append(attr(kind, value))
            elif kind == RTA_MULTIPATH and not self.nhid:
                out.append(attr(kind, self._hops(value)))
            # A route by a next hop object shows what that is, for old programs.
            elif kind in (RTA_GATEWAY, RTA_VIA, RTA_OIF, RTA_MULTIPATH, RTA_ENCAP_TYPE,
                          RTA_ENCAP) and self.nhid:
                pass
            elif kind != RTA_PAD:
                self._note(kind, value)
                out.append(
                    attr(kind | NLA_F_NESTED if kind in (RTA_METRICS, RTA_ENCAP) else kind, value))
        mask = RTNH_F_ONLINK | RTNH_F_PERVASIVE if self.family == AF_INET else RTNH_F_ONLINK
        if self.nhid:
            mask = 0
        self.key = struct.pack("=BBBBBBBBI", self.family, plen, src, tos, table, self.protocol,
                               scope, self.type, flags & mask) + b"".join(out)
        self.body = self.key + expires

    def _note(self, kind, value):
        if kind == RTA_ENCAP_TYPE and struct.unpack("=H", value)[0] == LWTUNNEL_ENCAP_XFRM:
            self.encap += 1

    def _hops(self, data):
        out = []
        while len(data) >= 8:
            length, flags, weight, index = struct.unpack_from("=HBBi", data)
            attributes = list(walk(data[8:length]))
            for kind, value in attributes:
                self._note(kind, value)
                self.gateway = self.gateway or kind in (RTA_GATEWAY, RTA_VIA)
            self.devices.add(index)
            hop = _hop(attributes)
            out.append(
                struct.pack("=HBBi", 8 + len(hop), flags & RTNH_F_ONLINK, weight, index) + hop)
            data = data[(length + 3) & ~3:]
        return b"".join(out)

    @property
    def automatic(self):
        """Whether the kernel makes it when a device gets an address or comes up."""
        return self.protocol == 2 and self.type in (2, 3, 4, 5)

    def __str__(self):
        address, plen = self.destination
        return f"route {socket.inet_ntop(self.family, address)}/{plen} table {self.table}"


class Nexthop:
    """A next hop object, or a group of them; "body" makes it."""
    def __init__(self, body):
        family, _, protocol, _, flags = struct.unpack("=BBBBI", body[:8])
        found = attrs(body[8:])
        self.id, self.index = u32(found[NHA_ID]), u32(found.get(NHA_OIF))
        self.members = [
            u32(found[NHA_GROUP][n:]) for n in range(0, len(found.get(NHA_GROUP, b"")), 8)
        ]
        self.encap = NHA_ENCAP_TYPE in found and \
            struct.unpack("=H", found[NHA_ENCAP_TYPE])[0] == LWTUNNEL_ENCAP_XFRM
        self.gateway = 6 in found
        out = [struct.pack("=BBBBI", family, 0, protocol, 0, flags & RTNH_F_ONLINK)]
        for kind in NHA_FORM:
            if kind not in found or kind == NHA_GROUP_TYPE and NHA_RES_GROUP not in found:
                continue
            value = found[kind]
            if kind == NHA_RES_GROUP:
                value = [attr(number, what) for number, what in walk(value) if number in (1, 2, 3)]
            out.append(attr(kind | NLA_F_NESTED if kind == NHA_ENCAP else kind, value))
        self.body = self.key = b"".join(out)

    def __str__(self):
        return f"next hop {self.id}"


class Neighbour:
    """A neighbour or a proxy entry that somebody has made; "body" makes it."""
    def __init__(self, body):
        self.family, self.index, state, flags, kind = struct.unpack("=BxxxiHBB", body[:12])
        found = attrs(body[12:])
        self.asked = bool(state & NUD_PERMANENT or flags & NTF_PROXY)
        self.address = found.get(NDA_DST, b"")
        self.key = self.body = struct.pack(
            "=BxxxiHBB", self.family, self.index, state, flags, kind) + b"".join(
                attr(number, found[number])
                for number in (NDA_DST, NDA_LLADDR, NDA_PROTOCOL, NDA_FLAGS_EXT) if number in found)

    def __str__(self):
        return f"neighbour {socket.inet_ntop(self.family, self.address)}"
