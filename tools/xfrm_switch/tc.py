# SPDX-License-Identifier: GPL-2.0
"""Traffic control of a device: qdiscs, classes, filters with their actions, as the kernel dumps
them and as it takes them."""

import errno
import struct
from collections import namedtuple

from . import netlink
from .netlink import (NLA_F_NESTED, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request, attr, attrs,
                      text, u32, walk)

TCA_KIND, TCA_OPTIONS, TCA_STAB, TCA_CHAIN = 1, 2, 8, 11
TCA_INGRESS_BLOCK, TCA_EGRESS_BLOCK = 13, 14
TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_ACT_COOKIE = 1, 2, 6
TCA_HTB_INIT = 2
# Of these qdiscs, where times are.
CODEL = {"codel": (1, 3, 5), "fq_codel": (1, 3, 7)}
TC_H_ROOT, TC_H_INGRESS = 0xFFFFFFFF, 0xFFFFFFF1

# Classes of these are made by whoever configures them; other qdiscs bring theirs.
CLASSES = ("htb", "hfsc", "drr", "qfq")

# Of each kind of filter: where its flags, its actions and its counters are, 0 if it has none.
FILTERS = {
    "u32": (11, 7, 9),
    "flower": (22, 3, 86),
    "matchall": (3, 2, 4),
    "basic": (0, 3, 5),
    "fw": (0, 4, 0),
    "cgroup": (0, 1, 0),
    "flow": (0, 9, 0),
    "route": (0, 6, 0)
}
# What hardware does of a filter, which nobody can ask for.
IN_HW, NOT_IN_HW = 4, 8
# Of each kind of action, where its times are.
ACTIONS = {
    "gact": 1,
    "mirred": 1,
    "police": 6,
    "skbedit": 1,
    "pedit": 1,
    "csum": 2,
    "vlan": 1,
    "nat": 2,
    "connmark": 2,
    "ctinfo": 2,
    "tunnel_key": 1,
    "skbmod": 1,
    "ct": 2
}
TCA_POLICE_TBF, TCA_POLICE_RATE, TCA_POLICE_PEAKRATE = 1, 2, 3

# The header: parent, handle and info; what matters of the rest; the name of the kind.
Object = namedtuple("Object", "kind handle parent info name body")


class Unknown(Exception):
    """Something that nobody here knows how to make."""


def _object(kind, header, *parts):
    _, _, handle, parent, info = struct.unpack("=BxxxiIII", header[:20])
    # Of filters it is priority and protocol; of others something to be read only.
    info = info if kind == netlink.RTM_NEWTFILTER else 0
    name = text(attrs(parts[0])[TCA_KIND])
    return Object(kind, handle, parent, info, name, b"".join(parts))


def _police(options):
    """Rates of a policer come with tables, which the kernel does not use any more, but wants."""
    found = attrs(options)
    config = bytearray(found[TCA_POLICE_TBF])
    tables = b""
    for offset, kind in ((20, TCA_POLICE_RATE), (32, TCA_POLICE_PEAKRATE)):
        if struct.unpack_from("=I", config, offset + 8)[0]:
            config[offset] = config[offset] or 3
            tables += attr(kind, bytes(1024))
    # How many filters use it is not for us to say.
    struct.pack_into("=II", config, 44, 0, 0)
    return attr(TCA_POLICE_TBF, bytes(config)) + tables + \
        b"".join(attr(kind, value) for kind, value in walk(options) if kind != TCA_POLICE_TBF)


def _actions(data):
    out = []
    for order, action in walk(data):
        found = attrs(action)
        kind = text(found.get(TCA_ACT_KIND))
        if kind not in ACTIONS:
            raise Unknown(f"a filter with an action '{kind}'")
        options = b"".join(
            attr(number, value) for number, value in walk(found.get(TCA_ACT_OPTIONS, b""))
            if number != ACTIONS[kind])
        if kind == "police":
            options = _police(options)
        parts = [attr(TCA_ACT_KIND, kind), attr(TCA_ACT_OPTIONS | NLA_F_NESTED, options)]
        if TCA_ACT_COOKIE in found:
            parts.append(attr(TCA_ACT_COOKIE, found[TCA_ACT_COOKIE]))
        out.append(attr(order, parts))
    return b"".join(out)


def _filter_options(kind, options):
    flags, actions, counters = FILTERS[kind]
    out = []
    for number, value in walk(options):
        if number == flags:
            value = struct.pack("=I", u32(value) & ~(IN_HW | NOT_IN_HW))
        elif number == actions:
            number, value = number | NLA_F_NESTED, _actions(value)
        elif number == counters:
            continue
        out.append(attr(number, value))
    return b"".join(out)


def _filters(rtnl, index, parent):
    header = struct.pack("=BxxxiIII", 0, index, 0, parent, 0)
    for body in rtnl.dump(netlink.RTM_GETCHAIN, header):
        found = attrs(body[20:])
        if TCA_KIND in found:
            raise Unknown("a chain of filters with a template")
    for body in rtnl.dump(netlink.RTM_GETTFILTER, header):
        found, (_, _, handle, _, _) = attrs(body[20:]), struct.unpack("=BxxxiIII", body[:20])
        kind = text(found[TCA_KIND])
        if kind not in FILTERS:
            raise Unknown(f"a filter of kind '{kind}'")
        # The first message of a priority has no filter in it, and the root of u32's tables is there
        # from the beginning.
        if not handle or TCA_OPTIONS not in found or kind == "u32" and not handle & 0xFFFFF and \
                u32(attrs(found[TCA_OPTIONS]).get(4)) == 1 and handle >> 20 >= 0x800:
            continue
        parts = [attr(TCA_KIND, kind)]
        if u32(found.get(TCA_CHAIN)):
            parts.append(attr(TCA_CHAIN, found[TCA_CHAIN]))
        parts.append(attr(TCA_OPTIONS | NLA_F_NESTED, _filter_options(kind, found[TCA_OPTIONS])))
        yield _object(netlink.RTM_NEWTFILTER, body[:20], *parts)


def _htb(options):
    """The version has another form when it is given, and packets that had no class are counted in
    the same place."""
    out = []
    for number, value in walk(options):
        if number == TCA_HTB_INIT:
            version, quantum, default, _, _ = struct.unpack("=IIIII", value[:20])
            value = struct.pack("=IIIII", version >> 16, quantum, default, 0, 0)
        out.append(attr(number, value))
    return b"".join(out)


def _plain(kind, body):
    found = attrs(body[20:])
    if TCA_INGRESS_BLOCK in found or TCA_EGRESS_BLOCK in found:
        raise Unknown("filters in a block that devices share")
    name = text(found[TCA_KIND])
    if kind == netlink.RTM_NEWQDISC and name == "htb":
        found[TCA_OPTIONS] = _htb(found[TCA_OPTIONS])
    elif name in CODEL:
        # It counts in units of 1024 ns, and rounds down to and from microseconds.
        found[TCA_OPTIONS] = b"".join(
            attr(number,
                 u32(value) + 1 if number in CODEL[name] else value)
            for number, value in walk(found[TCA_OPTIONS]))
    parts = [attr(TCA_KIND, found[TCA_KIND])]
    parts += [
        attr(number | NLA_F_NESTED, found[number]) for number in (TCA_OPTIONS, TCA_STAB)
        if number in found
    ]
    return _object(kind, body[:20], *parts)


def qdiscs(rtnl):
    """The qdiscs of a namespace that somebody has put there, by device."""
    found = {}
    for body in rtnl.dump(netlink.RTM_GETQDISC, bytes(20)):
        _, index, handle, _, _ = struct.unpack("=BxxxiIII", body[:20])
        if handle:
            found.setdefault(index, []).append(body)
    return found


def save(rtnl, index, bodies):
    """All that is on a device with the given qdiscs, in an order in which it can be made."""
    waiting = [_plain(netlink.RTM_NEWQDISC, body) for body in bodies]
    classes = [
        _plain(netlink.RTM_NEWTCLASS, body)
        for body in rtnl.dump(netlink.RTM_GETTCLASS, struct.pack("=BxxxiIII", 0, index, 0, 0, 0))
        if text(attrs(body[20:])[TCA_KIND]) in CLASSES
    ] if waiting else []
    # The root of a hierarchy comes with its qdisc.
    classes = [one for one in classes if one.handle & 0xFFFF]
    parents = []
    for qdisc in waiting:
        if qdisc.name == "clsact":
            parents += [0xFFFFFFF2, 0xFFFFFFF3]
        else:
            parents.append(qdisc.handle)
    waiting += classes
    parents += [one.handle for one in classes]
    own = {one.handle for one in waiting}
    done, out = {TC_H_ROOT, TC_H_INGRESS}, []
    while waiting:
        # What hangs on a class waits for it; classes that a qdisc brings come with that.
        ready = [
            one for one in waiting
            if (one.parent in done or one.parent not in own and (one.parent & 0xFFFF0000) in done
                ) and (one.kind == netlink.RTM_NEWQDISC or (one.handle & 0xFFFF0000) in done)
        ]
        if not ready:
            raise Unknown("a hierarchy of qdiscs that is not understood")
        for one in sorted(ready, key=lambda one: (one.kind, one.handle)):
            out.append(one)
            done.add(one.handle)
            waiting.remove(one)
    for parent in parents:
        out += _filters(rtnl, index, parent)
    return out


def describe(one):
    """What an object is called."""
    what = {netlink.RTM_NEWQDISC: "qdisc", netlink.RTM_NEWTCLASS: "class"}.get(one.kind, "filter")
    return f"{what} {one.name} {one.handle >> 16:x}:{one.handle & 0xFFFF:x}"


def requests(label, index, objects):
    """What makes all of it on the device with that index."""
    out = []
    for one in objects:
        flags = NLM_F_CREATE | (NLM_F_REPLACE if one.kind == netlink.RTM_NEWQDISC else NLM_F_EXCL)
        out.append(
            Request(f"{label}: {describe(one)}", one.kind,
                    struct.pack("=BxxxiIII", 0, index, one.handle, one.parent, one.info) + one.body,
                    flags, (errno.EEXIST, ) if one.kind == netlink.RTM_NEWTCLASS else ()))
    return out


def difference(before, after):
    """The names of those objects that are not in both."""
    return ", ".join(
        dict.fromkeys(
            describe(one) for one in [*before, *after] if one not in before or one not in after))
