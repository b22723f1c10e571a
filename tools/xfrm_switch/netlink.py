# SPDX-License-Identifier: GPL-2.0
"""Netlink: sockets that belong to a network namespace, dumps, and many requests in few calls."""

import errno
import os
import socket
import struct

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x1, 0x4, 0x300, 0x10
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = 0x100, 0x200, 0x400, 0x800
NLM_F_ACK_TLVS = 0x200
NLA_F_NESTED, NLA_TYPE_MASK = 0x8000, 0x3FFF
NLMSGERR_ATTR_MSG = 1
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
NETLINK_XFRM = 6
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33

RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK = 16, 18, 19
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30
RTM_GETRULE = 34
RTM_NEWQDISC, RTM_GETQDISC = 36, 38
RTM_NEWTCLASS, RTM_GETTCLASS = 40, 42
RTM_NEWTFILTER, RTM_GETTFILTER = 44, 46
RTM_NEWNSID, RTM_GETNSID = 88, 90
RTM_NEWCHAIN, RTM_GETCHAIN = 100, 102
RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP = 104, 105, 106
RTM_NEWLINKPROP = 108

# So much is sent at once; the kernel copies it into one piece of memory.
CHUNK = 32768


def attr(kind, payload=b""):
    """One attribute: an int payload becomes a u32, a str a string with its zero, a list nested
    ones."""
    if isinstance(payload, int):
        payload = struct.pack("=I", payload & 0xFFFFFFFF)
    elif isinstance(payload, str):
        payload = os.fsencode(payload) + b"\0"
    elif isinstance(payload, list):
        payload, kind = b"".join(payload), kind | NLA_F_NESTED
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def walk(data):
    """The attributes in a buffer, in their order: type and payload of each."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        yield kind & NLA_TYPE_MASK, data[4:length]
        data = data[(length + 3) & ~3:]


def attrs(data):
    """The attributes in a buffer, as a dict from type to payload; the last of a type wins."""
    return dict(walk(data))


def u32(payload, default=0):
    """A u32 payload as a number; the default if there is none."""
    return struct.unpack_from("=I", payload)[0] if payload is not None else default


def text(payload):
    """A payload that is a string."""
    return os.fsdecode((payload or b"").rstrip(b"\0"))


class Request:
    """What the kernel is to be asked for, what to call it when it fails, and with which errors it
    has been done already."""
    def __init__(self, label, kind, body, flags=0, fine=()):
        self.label, self.kind, self.body, self.flags, self.fine = label, kind, body, flags, fine

    def packed(self, seq, ack):
        """The message."""
        flags = self.flags | NLM_F_REQUEST | (NLM_F_ACK if ack else 0)
        header = struct.pack("=IHHII", 16 + len(self.body), self.kind, flags, seq, 0)
        return header + self.body + bytes(-len(self.body) % 4)


class Netlink:
    """A socket of the network namespace where it was made, which may be used from anywhere."""
    def __init__(self, protocol=socket.NETLINK_ROUTE):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC,
                                  protocol)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 << 20)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.sock.bind((0, 0))
        self.seq = 0

    def _messages(self):
        while True:
            buffer = self.sock.recv(1 << 18)
            while len(buffer) >= 16:
                length, what, flags, seq, _ = struct.unpack_from("=IHHII", buffer)
                yield what, flags, seq, buffer[16:length]
                buffer = buffer[(length + 3) & ~3:]

    def dump(self, kind, header):
        """The payloads of all answers to a request for a dump, from one moment in which nothing
        changed."""
        for _ in range(20):
            bodies, interrupted = [], False
            self.seq += 1
            self.sock.send(Request("", kind, header, NLM_F_DUMP).packed(self.seq, False))
            for what, flags, seq, body in self._messages():
                if seq != self.seq:
                    continue
                interrupted = interrupted or flags & NLM_F_DUMP_INTR
                if what in (NLMSG_ERROR, NLMSG_DONE):
                    error = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                    if error > 0:
                        raise OSError(error, os.strerror(error))
                    break
                bodies.append(body)
            if not interrupted:
                return bodies
        raise OSError(errno.EINTR, "what is dumped changes all the time")

    def ask(self, kind, body):
        """The payload of the answer to one request."""
        self.seq += 1
        self.sock.send(Request("", kind, body).packed(self.seq, True))
        answer = None
        for what, _, seq, data in self._messages():
            if seq != self.seq:
                continue
            if what == NLMSG_ERROR:
                error = -struct.unpack_from("=i", data)[0]
                if error:
                    raise OSError(error, os.strerror(error))
                return answer
            answer = data
        return answer

    def send(self, requests):
        """Sends requests, in as few calls as it takes; returns what went wrong, as texts. Only
        errors are answered, and the last request of each call."""
        wrong, chunk, size = [], [], 0
        for number, request in enumerate(requests):
            chunk.append(request)
            size += len(request.body) + 20
            if size >= CHUNK or number == len(requests) - 1:
                wrong += self._send_chunk(chunk)
                chunk, size = [], 0
        return wrong

    def _send_chunk(self, chunk):
        wrong, first = [], self.seq + 1
        self.seq += len(chunk)
        self.sock.send(b"".join(
            request.packed(first + n, n == len(chunk) - 1) for n, request in enumerate(chunk)))
        for what, flags, seq, body in self._messages():
            if what != NLMSG_ERROR or not first <= seq <= self.seq:
                continue
            error = -struct.unpack_from("=i", body)[0]
            request = chunk[seq - first]
            if error and error not in request.fine:
                said = text(attrs(
                    body[20:]).get(NLMSGERR_ATTR_MSG)) if flags & NLM_F_ACK_TLVS else ""
                wrong.append(f"{request.label}: {os.strerror(error)}" +
                             (f" ({said})" if said else ""))
            if seq == self.seq:
                return wrong
        return wrong
