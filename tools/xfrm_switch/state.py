# SPDX-License-Identifier: GPL-2.0
"""The state: of each namespace what goes when the driver does. It is kept as the kernel has dumped
it, in a form that can be written to a file."""

import struct

from . import netlink, settings, tc
from .forms import AF_INET, AF_INET6, NTF_PROXY, Address, Neighbour, Nexthop, Route
from .netlink import attr, attrs, text, u32, walk

IFF_UP, IFF_NOARP, IFF_PROMISC, IFF_ALLMULTI = 0x1, 0x80, 0x100, 0x200
# What of the flags is set from outside.
IFF_ASKED = (IFF_UP | 0x4 | 0x20 | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | 0x1000 | 0x2000 |
             0x4000 | 0x8000)
IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_TXQLEN = 3, 4, 5, 10, 13
IFLA_LINKINFO, IFLA_IFALIAS, IFLA_AF_SPEC, IFLA_GROUP = 18, 20, 26, 27
IFLA_LINK_NETNSID, IFLA_PROTO_DOWN, IFLA_XDP, IFLA_PROP_LIST = 37, 39, 43, 52
IFLA_ALT_IFNAME, IFLA_XDP_ATTACHED = 53, 2
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND = 1, 2, 4
IFLA_GSO_MAX_SIZE, IFLA_GSO_IPV4_MAX_SIZE = 41, 63
# MTU, queue length, group, queues, GSO and GRO sizes: they are given when the device is made.
IFLA_ASKED = (IFLA_IFNAME, IFLA_MTU, IFLA_TXQLEN, IFLA_GROUP, 31, 32, 40, IFLA_GSO_MAX_SIZE, 58,
              IFLA_GSO_IPV4_MAX_SIZE, 64, IFLA_LINK_NETNSID)
# Larger segments than these not every driver sends.
GSO_LEGACY_MAX_SIZE = 65536
IFLA_INET6_TOKEN, IFLA_INET6_ADDR_GEN_MODE, GEN_MODE_NONE = 7, 8, 1


class Link:
    """A device; "kind" is xfrm of those that are saved."""
    def __init__(self, body):
        self.index, flags = struct.unpack_from("=4xiI", body)
        found = attrs(body[16:])
        info = attrs(found.get(IFLA_LINKINFO, b""))
        self.name, self.kind = text(found[IFLA_IFNAME]), text(info.get(IFLA_INFO_KIND))
        self.flags = flags & IFF_ASKED
        self.master, self.master_kind = u32(found.get(IFLA_MASTER)), text(
            info.get(IFLA_INFO_SLAVE_KIND))
        self.lower, self.nsid = u32(found.get(IFLA_LINK)), u32(found.get(IFLA_LINK_NETNSID), None)
        self.alias = found.get(IFLA_IFALIAS)
        self.proto_down = (found.get(IFLA_PROTO_DOWN) or b"\0")[0]
        self.xdp = (attrs(found.get(IFLA_XDP, b"")).get(IFLA_XDP_ATTACHED) or b"\0")[0]
        self.altnames = [
            text(value) for kind, value in walk(found.get(IFLA_PROP_LIST, b""))
            if kind == IFLA_ALT_IFNAME
        ]
        self.data = info.get(IFLA_INFO_DATA, b"")
        self.mtu = u32(found.get(IFLA_MTU))
        inet6 = attrs(attrs(found.get(IFLA_AF_SPEC, b"")).get(AF_INET6, b""))
        self.gen_mode = (inet6.get(IFLA_INET6_ADDR_GEN_MODE) or b"\0")[0] if inet6 else None
        self.token = inet6.get(IFLA_INET6_TOKEN, bytes(16))
        self.big_segments = b"".join(
            attr(kind, found[kind]) for kind in (IFLA_GSO_MAX_SIZE, IFLA_GSO_IPV4_MAX_SIZE)
            if u32(found.get(kind)) > GSO_LEGACY_MAX_SIZE)
        self.attributes = b"".join(
            attr(kind, found[kind]) for kind in IFLA_ASKED
            if kind in found and kind not in attrs(self.big_segments))

    @property
    def key(self):
        """Equal of devices that are set up the same."""
        return (self.index, self.kind, self.flags, self.master, self.alias, self.proto_down,
                sorted(self.altnames), attrs(self.data), self.gen_mode, self.token,
                attrs(self.attributes + self.big_segments))


def difference(one, other):
    """What a key has that another has not, in few words."""
    names = ("index", "kind", "flags", "master", "alias", "protodown", "altnames", "kind's data",
             "addrgenmode", "token", "attributes")
    return ", ".join(f"{name} {mine!r}, was {theirs!r}"
                     for name, mine, theirs in zip(names, other, one) if mine != theirs)


def _packed(bodies):
    return [body.hex() for body in bodies]


def _unpacked(texts):
    return [bytes.fromhex(one) for one in texts]


class Saved:
    """What of one namespace goes with the driver. Made of a dict, "raw", which can be written to a
    file."""
    def __init__(self, raw):
        self.raw, self.cookie, self.name = raw, raw["cookie"], raw["name"]
        self.links = [Link(bytes.fromhex(link["body"])) for link in raw["links"]]
        self.settings = {link["name"]: link for link in raw["links"]}
        self.indices = {link.index for link in self.links}
        self.addresses = [
            one for one in map(Address, _unpacked(raw["addresses"])) if one.index in self.indices
        ]
        self.neighbours = [
            one for one in map(Neighbour, _unpacked(raw["neighbours"]))
            if one.asked and one.index in self.indices
        ]
        self.nexthops = self._affected(list(map(Nexthop, _unpacked(raw["nexthops"]))))
        nhids = {one.id for one in self.nexthops}
        own = {(one.family, one.local) for one in self.addresses}
        # An IPv4 route goes when the address does that it sends from; an IPv6 route forgets it.
        self.all_routes = list(map(Route, _unpacked(raw["routes"])))
        self.routes = [
            one for one in self.all_routes if one.encap or one.devices
            & self.indices or one.nhid in nhids or one.source and (one.family, one.source) in own
        ]

    def _affected(self, nexthops):
        own = {one.id for one in nexthops if one.index in self.indices or one.encap}
        return [one for one in nexthops if one.id in own or own & set(one.members)]

    def settings_of(self, link):
        """What is saved of a device beside dumps."""
        return self.settings[link.name]


def xfrm_identities(netns):
    """Which states and policies there are: no keys, nothing that counts."""
    with netns:
        xfrm = netlink.Netlink(netlink.NETLINK_XFRM)
    # The address, SPI, protocol and family of a state; the number, selector and direction of a
    # policy; and the if_id of each.
    states = [(body[56:80] + body[212:215]).hex() + str(u32(attrs(body[224:]).get(31)))
              for body in xfrm.dump(18, b"")]
    policies = [(body[0:56] + body[152:161]).hex() + str(u32(attrs(body[168:]).get(31)))
                for body in xfrm.dump(21, b"")]
    xfrm.sock.close()
    return sorted(states), sorted(policies)


def _routes(rtnl):
    for family in (AF_INET, AF_INET6):
        yield from rtnl.dump(netlink.RTM_GETROUTE,
                             struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0))


def _nexthops(rtnl):
    try:
        return rtnl.dump(netlink.RTM_GETNEXTHOP, bytes(8))
    except OSError:
        return []


def save(netns, links, unknown=None):
    """Saves what of a namespace goes with its xfrm devices. What nobody can make again is given to
    "unknown", with the device's name."""
    rtnl = netns.rtnl
    qdiscs = tc.qdiscs(rtnl)
    netns.mount_sysfs()
    saved = []
    with netns:
        default = settings.sysctls("default")
        for body in links:
            link = Link(body)
            if link.kind != "xfrm":
                continue
            try:
                objects = tc.save(rtnl, link.index, qdiscs.get(link.index, []))
            except tc.Unknown as why:
                objects = []
                if unknown:
                    unknown(link.name, str(why))
            values = settings.sysctls(link.name)
            saved.append({
                "name":
                link.name,
                "body":
                body.hex(),
                "sysctls":
                values,
                # What is as in any new device is not written, but compared.
                "changed": [key for key, value in values.items() if default.get(key) != value],
                "files":
                settings.files(netns.sysfs, link.name),
                "features":
                settings.features(netns, link.name),
                "private_flags":
                settings.private_flags(netns, link.name),
                "tc": [[*one[:5], one.body.hex()] for one in objects]
            })
    neighbours = rtnl.dump(netlink.RTM_GETNEIGH, bytes(12)) + \
        rtnl.dump(netlink.RTM_GETNEIGH, struct.pack("=BxxxiHBB", 0, 0, 0, NTF_PROXY, 0))
    return Saved({
        "cookie": netns.cookie,
        "name": netns.name,
        "links": saved,
        "addresses": _packed(rtnl.dump(netlink.RTM_GETADDR, bytes(8))),
        "neighbours": _packed(neighbours),
        "nexthops": _packed(_nexthops(rtnl)),
        "routes": _packed(_routes(rtnl)),
        "rules": _packed(rtnl.dump(netlink.RTM_GETRULE, bytes(12))),
        "xfrm": xfrm_identities(netns)
    })


def tc_objects(settings_of):
    """What of traffic control is saved of a device."""
    return [tc.Object(*one[:5], bytes.fromhex(one[5])) for one in settings_of["tc"]]


def _rule(body):
    # A rule whose device is gone says so.
    return (body[:8] + struct.pack(
        "=I",
        struct.unpack_from("=I", body, 8)[0] & ~(0x8 | 0x10))).hex() + body[12:].hex()


def compare(before, after):
    """What of a namespace is not as it was, as texts."""
    wrong = []
    now = {link.index: link for link in after.links}
    for link in before.links:
        new = now.pop(link.index, None)
        if new is None:
            wrong.append(f"{link.name} is missing")
            continue
        if link.key != new.key:
            wrong.append(f"{link.name}: {difference(link.key, new.key)}")
        mine, theirs = before.settings_of(link), after.settings_of(new)
        for what in ("sysctls", "files"):
            for key in sorted(set(mine[what]) | set(theirs[what])):
                if mine[what].get(key) != theirs[what].get(key):
                    wrong.append(
                        f"{link.name}: {key} is {theirs[what].get(key)}, was {mine[what].get(key)}")
        changed = mine.get("feature_changes", 0) & theirs["features"][0]
        if (mine["features"][1] ^ theirs["features"][1]) & changed:
            wrong.append(f"{link.name}: its features are not the same")
        for name, on in mine.get("flag_changes", {}).items():
            if theirs["private_flags"].get(name) != on:
                wrong.append(f"{link.name}: its private flag {name} is not the same")
        if mine["tc"] != theirs["tc"]:
            what = tc.difference(tc_objects(mine),
                                 tc_objects(theirs)) or "the order of qdiscs, classes or filters"
            wrong.append(f"{link.name}: {what} is not the same")
    wrong += [f"{link.name} is new" for link in now.values()]
    for what in ("addresses", "neighbours", "nexthops", "routes"):
        old, new = getattr(before, what), getattr(after, what)
        missing = {one.key: one for one in old}
        surplus = {one.key: one for one in new if one.key not in missing}
        for one in new:
            missing.pop(one.key, None)
        wrong += [f"{one} is missing" for one in missing.values()]
        wrong += [f"{one} is new or has changed" for one in surplus.values()]
    if not wrong and order(before) != order(after):
        wrong.append("routes with the same destination are in another order")
    if sorted(map(_rule, _unpacked(before.raw["rules"]))) != sorted(
            map(_rule, _unpacked(after.raw["rules"]))):
        wrong.append("the rules are not the same")
    return [f"{before.name}: {one}" for one in wrong]


def order(saved):
    """The IPv4 routes that share a destination with one of those that are saved, in their order."""
    places = {one.place for one in saved.routes if one.family == AF_INET}
    found = {}
    for one in saved.all_routes:
        if one.place in places:
            found.setdefault(one.place, []).append(one.key)
    return {place: keys for place, keys in found.items() if len(keys) > 1}
