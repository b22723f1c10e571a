# SPDX-License-Identifier: GPL-2.0
"""A small rtnetlink client that sends exactly the attributes it is given, also malformed ones."""

import errno
import os
import socket
import struct
from collections import namedtuple

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE, NLM_F_REPLACE = 0x1, 0x4, 0x200, 0x400, 0x100
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLA_F_NESTED = 0x8000
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11

NLM_F_DUMP = 0x300
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR = 20
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNSID = 88

IFF_UP = 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_LINKINFO = 1, 3, 4, 5, 18
IFLA_NET_NS_FD = 28
IFLA_LINK_NETNSID, IFLA_CARRIER, IFLA_MIN_MTU, IFLA_MAX_MTU = 37, 33, 50, 51
IFA_ADDRESS, IFA_LOCAL = 1, 2
NETNSA_NSID, NETNSA_FD = 1, 3
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_XFRM_LINK, IFLA_XFRM_IF_ID, IFLA_XFRM_COLLECT_METADATA = 1, 2, 3

RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_ENCAP_TYPE, RTA_ENCAP = 1, 4, 5, 21, 22
LWTUNNEL_ENCAP_XFRM = 10
LWT_XFRM_IF_ID, LWT_XFRM_LINK = 1, 2

NLMSGERR_ATTR_MSG, NLMSGERR_ATTR_OFFS = 1, 2

Answer = namedtuple("Answer", "error message offset")


def attr(kind, payload=b""):
    """One attribute: an int payload becomes a u32, a str a string with its zero."""
    if isinstance(payload, int):
        payload = struct.pack("=I", payload & 0xFFFFFFFF)
    elif isinstance(payload, str):
        payload = payload.encode() + b"\0"
    elif isinstance(payload, list):
        payload = b"".join(payload)
    pad = -len(payload) % 4
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(pad)


def attrs(data):
    """The attributes in a buffer, as a dict from type to payload; the last of a type wins."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def u32(payload):
    """A u32 payload as a number."""
    return struct.unpack("=I", payload)[0]


class Rtnl:
    """A socket that speaks rtnetlink in the network namespace where it was made."""

    def __init__(self, groups=0, protocol=socket.NETLINK_ROUTE):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.sock.settimeout(20)
        self.sock.bind((0, groups))
        self.seq = 0

    def send(self, message):
        """Sends a message."""
        self.sock.send(message)

    def request(self, kind, flags, payload):
        """Sends one request; returns the error (0 or an errno), the extack's text and the offset of
        the attribute that it points at, and the answer's payload if there is one."""
        self.seq += 1
        self.send(struct.pack("=IHHII", 16 + len(payload), kind, flags | NLM_F_REQUEST | NLM_F_ACK,
                              self.seq, 0) + payload)
        return self.answer()

    def received(self):
        """What comes in, message by message: its type, its flags, its number, and what is in it."""
        while True:
            buffer = self.sock.recv(65536)
            while len(buffer) >= 16:
                length, what, flags, seq, _ = struct.unpack_from("=IHHII", buffer)
                yield what, flags, seq, buffer[16:length]
                buffer = buffer[(length + 3) & ~3:]

    def answers(self):
        """What comes in for the last request: the type of each message, its flags, and what is in it."""
        return ((what, flags, body) for what, flags, seq, body in self.received() if seq == self.seq)

    def answer(self):
        """The answer to the last request, as request() returns it."""
        data, text, offset = None, "", None
        for what, flags, body in self.answers():
            if what == NLMSG_ERROR:
                break
            data = body
        if flags & NLM_F_ACK_TLVS:
            found = attrs(body[20:])
            text = found.get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0").decode()
            if NLMSGERR_ATTR_OFFS in found:
                offset = u32(found[NLMSGERR_ATTR_OFFS])
        return Answer(-struct.unpack_from("=i", body)[0], text, offset), data

    def links(self):
        """What this socket, a member of RTMGRP_LINK, has heard: names and IFLA_INFO_DATA."""
        heard = []
        self.sock.settimeout(0.5)
        try:
            for what, _, _, body in self.received():
                if what == RTM_NEWLINK:
                    found = attrs(body[16:])
                    info = attrs(found.get(IFLA_LINKINFO, b""))
                    heard.append((found[IFLA_IFNAME].rstrip(b"\0").decode(),
                                  attrs(info.get(IFLA_INFO_DATA, b""))))
        except socket.timeout:
            pass
        return heard

    def dump(self, kind, header):
        """The payloads of all answers to a request for a dump."""
        self.seq += 1
        self.send(struct.pack("=IHHII", 16 + len(header), kind, NLM_F_REQUEST | NLM_F_DUMP, self.seq, 0) + header)
        bodies = []
        for what, _, body in self.answers():
            if what == NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=i", body)[0], "dump")
            if what == NLMSG_DONE:
                break
            bodies.append(body)
        return bodies

    def link_new(self, name, data, extra=b"", flags=NLM_F_CREATE | NLM_F_EXCL):
        """Creates a link of kind xfrm; data is what goes into IFLA_INFO_DATA, None for no such
        attribute."""
        info = [attr(IFLA_INFO_KIND, b"xfrm")]
        if data is not None:
            info.append(attr(IFLA_INFO_DATA, data))
        header = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
        return self.request(RTM_NEWLINK, flags,
                            header + attr(IFLA_IFNAME, name) + extra + attr(IFLA_LINKINFO, info))[0]

    def link_change(self, name, data):
        """Changes a link."""
        return self.link_new(name, data, flags=0)

    def link_del(self, name):
        """Deletes a link."""
        header = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
        return self.request(RTM_DELLINK, 0, header + attr(IFLA_IFNAME, name))[0]

    def link_set(self, name, flags=0, change=0, extra=b""):
        """Sets what links of all kinds have: those of the flags that are in change, and attributes."""
        header = struct.pack("=BxHiII", 0, 0, 0, flags, change)
        return self.request(RTM_SETLINK, 0, header + attr(IFLA_IFNAME, name) + extra)[0]

    def link_up(self, name):
        """Sets a link up."""
        return self.link_set(name, IFF_UP, IFF_UP)

    def link_down(self, name):
        """Sets a link down."""
        return self.link_set(name, 0, IFF_UP)

    def address_new(self, address, index):
        """Adds an address to a link."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        packed = socket.inet_pton(family, address)
        header = struct.pack("=BBBBi", family, len(packed) * 8, 0x02, 0, index)
        return self.request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
                            header + attr(IFA_LOCAL, packed) + attr(IFA_ADDRESS, packed))[0]

    def namespace_id(self, fd, number):
        """Gives the namespace that the descriptor is for a number, by which to name it."""
        return self.request(RTM_NEWNSID, 0, struct.pack("=Bxxx", 0) + attr(NETNSA_NSID, number) +
                            attr(NETNSA_FD, fd))[0]

    def link_get(self, name):
        """A link's attributes, and those of its IFLA_INFO_DATA; None if there is no such link."""
        header = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
        answer, data = self.request(RTM_GETLINK, 0, header + attr(IFLA_IFNAME, name))
        if answer.error or data is None:
            return None, None
        found = attrs(data[16:])
        info = attrs(found.get(IFLA_LINKINFO, b""))
        return found, attrs(info.get(IFLA_INFO_DATA, b""))

    def route_new(self, destination, oif, encap, kind=RTM_NEWROUTE, nested=NLA_F_NESTED,
                  flags=NLM_F_CREATE | NLM_F_EXCL):
        """Adds a route to one address with an encapsulation of type xfrm; encap is a list of
        attributes, None for a route without an encapsulation."""
        family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        address = socket.inet_pton(family, destination)
        header = struct.pack("=BBBBBBBBI", family, len(address) * 8, 0, 0, 254, 4, 0, 1, 0)
        body = attr(RTA_DST, address) + attr(RTA_OIF, oif)
        if encap is not None:
            body += attr(RTA_ENCAP_TYPE, struct.pack("=H", LWTUNNEL_ENCAP_XFRM))
            body += attr(RTA_ENCAP | nested, encap)
        return self.request(kind, flags if kind == RTM_NEWROUTE else 0, header + body)[0]

    def routes(self, family):
        """The routes of a family with an encapsulation of type xfrm: from the address to the
        encapsulation's if_id."""
        found = {}
        for body in self.dump(RTM_GETROUTE, struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)):
            route = attrs(body[12:])
            if RTA_ENCAP in route and RTA_DST in route:
                found[socket.inet_ntop(family, route[RTA_DST])] = u32(attrs(route[RTA_ENCAP])[LWT_XFRM_IF_ID])
        return found

    @staticmethod
    def name(error):
        """The symbolic name of an errno, "ok" for none."""
        return errno.errorcode.get(error, str(error)) if error else "ok"


def ifindex(name):
    """The index of a device of the namespace we are in."""
    return socket.if_nametoindex(name)


def kernel_library():
    """Where the kernel's lib.py is."""
    return os.environ.get("KSFT_NET_DIR", "/kernel/source/tools/testing/selftests/net")
