# SPDX-License-Identifier: GPL-2.0
"""Putting back what was saved of a namespace. All requests are prepared before anything is touched,
so that packets wait for nothing but the kernel."""

import errno
import struct

from . import netlink, settings, state, tc
from .forms import AF_INET, AF_INET6
from .netlink import (NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request, attr)
from .state import IFF_NOARP, IFF_UP

RTM_DELADDR, RTM_DELQDISC = 21, 37
THERE = (errno.EEXIST, )
GONE = (errno.ESRCH, errno.ENOENT, errno.ENODEV)


def _set(link, flags, change, *attributes, fine=()):
    return Request(f"{link.name}: set it", netlink.RTM_SETLINK,
                   struct.pack("=4xiII", link.index, flags, change) + b"".join(attributes), 0, fine)


def _inet6(kind, value):
    return attr(state.IFLA_AF_SPEC, [attr(AF_INET6, [attr(kind, value)])])


def _gen_mode(link, mode):
    if link.gen_mode is None:
        return b""
    return _inet6(state.IFLA_INET6_ADDR_GEN_MODE, bytes([mode]))


def _create(link):
    info = [
        attr(state.IFLA_INFO_KIND, b"xfrm"),
        attr(state.IFLA_INFO_DATA | netlink.NLA_F_NESTED, link.data)
    ]
    return Request(
        f"{link.name}: make it", netlink.RTM_NEWLINK,
        struct.pack("=4xiII", link.index, 0, 0) + link.attributes + attr(state.IFLA_LINKINFO, info),
        NLM_F_CREATE | NLM_F_EXCL)


def _add_route(route, append=True):
    flags = NLM_F_CREATE
    if route.family == AF_INET:
        flags |= NLM_F_APPEND if append else 0
    elif route.multipath or route.source and not append:
        # What other devices have of it is still there, without what is to be added. Or the route
        # is, without its source.
        flags |= NLM_F_REPLACE
    return Request(str(route), netlink.RTM_NEWROUTE, route.body, flags, THERE)


class Plan:
    """How a namespace gets back what was saved of it."""
    def __init__(self, netns, saved):
        self.netns, self.saved = netns, saved
        links = saved.links
        self.create = {}
        for link in links:
            self.create.setdefault(saved.settings_of(link)["rank"], []).append(_create(link))
        self.prepare, self.files, self.shaping, self.up = [], [], {}, []
        for link in links:
            # The link-local address is among those that are saved, so that none is to be made up;
            # and what needs no ARP needs no proof that an address is its own.
            self.prepare.append(
                _set(link, link.flags & ~IFF_UP | IFF_NOARP, state.IFF_ASKED,
                     _gen_mode(link, state.GEN_MODE_NONE),
                     attr(state.IFLA_MASTER, link.master) if link.master else b"",
                     attr(state.IFLA_IFALIAS, link.alias) if link.alias else b""))
            if link.big_segments:
                self.prepare.append(_set(link, 0, 0, link.big_segments))
            if link.altnames:
                names = [attr(state.IFLA_ALT_IFNAME, name) for name in link.altnames]
                self.prepare.append(
                    Request(
                        f"{link.name}: other names", netlink.RTM_NEWLINKPROP,
                        struct.pack("=4xiII", link.index, 0, 0) + attr(state.IFLA_PROP_LIST, names),
                        NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, THERE))
            other = saved.settings_of(link)
            self.files += [(settings.sysctl_path(link.name, key), other["sysctls"][key])
                           for key in other["changed"]]
            self.shaping[link] = state.tc_objects(other)
            # A sysctl may have changed how addresses are made up.
            if link.flags & IFF_UP:
                self.up.append(_set(link, IFF_UP, IFF_UP, _gen_mode(link, state.GEN_MODE_NONE)))
        # No packet goes past a qdisc or a filter that is to come.
        self.shape = [
            request for link, objects in self.shaping.items()
            for request in tc.requests(link.name, link.index, objects)
        ]
        self.rest = self.up + self._add_addresses(saved.addresses)
        self.rest += self._routes() + self._finish(links)

    @staticmethod
    def _add_addresses(addresses):
        # The kernel puts an IPv6 address before those of its scope, an IPv4 address after them.
        order = [one for one in addresses if one.family == AF_INET
                 ] + [one for one in reversed(addresses) if one.family == AF_INET6]
        return [
            Request(str(one), netlink.RTM_NEWADDR, one.body, NLM_F_CREATE | NLM_F_EXCL, THERE)
            for one in order
        ]

    def _routes(self):
        # First what is reached directly: gateways, and next hops with gateways, must be.
        ours = [one for one in self.saved.routes if not one.automatic]
        first = self._first()
        direct = [one for one in ours if not one.gateway and not one.nhid]
        by_gateway = [one for one in ours if one.gateway and not one.nhid]
        by_nexthop = [one for one in ours if one.nhid]
        nexthops = sorted(self.saved.nexthops, key=lambda one: (bool(one.members), one.gateway))
        out = self._add(direct, first)
        out += [
            Request(str(one), netlink.RTM_NEWNEXTHOP, one.body, NLM_F_CREATE | NLM_F_REPLACE)
            for one in nexthops
        ]
        return out + self._add(by_gateway, first) + self._add(by_nexthop, first)

    def _first(self):
        """The keys of IPv4 routes that were before others that stay."""
        own, keys = {one.key for one in self.saved.routes}, set()
        for group in state.order(self.saved).values():
            stay = [n for n, key in enumerate(group) if key not in own]
            if stay:
                keys |= set(group[:stay[-1]]) & own
        return keys

    @staticmethod
    def _add(routes, first):
        after = [one for one in routes if one.key not in first]
        before = [one for one in reversed(routes) if one.key in first]
        return [_add_route(one, one.family != AF_INET6 or not one.source) for one in after
                ] + [_add_route(one, False) for one in before]

    def _finish(self, links):
        out = []
        for link in links:
            proto_down = attr(state.IFLA_PROTO_DOWN, b"\1") if link.proto_down else b""
            out.append(
                _set(link, link.flags, state.IFF_ASKED, proto_down,
                     _gen_mode(link, link.gen_mode) if link.gen_mode is not None else b""))
            if any(link.token):
                out.append(_set(link, 0, 0, _inet6(state.IFLA_INET6_TOKEN, link.token)))
        # Last, because the kernel forgets neighbours when ARP is switched on or off.
        return out + [
            Request(str(one), netlink.RTM_NEWNEIGH, one.body, NLM_F_CREATE | NLM_F_REPLACE)
            for one in self.saved.neighbours
        ]

    def take_away(self):
        """Takes away what keeps the driver: routes and next hops that have its encapsulation. What
        leaves by its devices goes fastest when these go down."""
        down = {
            index
            for one in self.saved.routes if one.encap for index in one.devices & self.saved.indices
        }
        out = [_set(link, 0, IFF_UP, fine=GONE) for link in self.saved.links if link.index in down]
        out += [
            Request(str(one), netlink.RTM_DELNEXTHOP,
                    bytes(8) + attr(1, one.id), 0, GONE) for one in self.saved.nexthops
            if one.encap and one.index not in down
        ]
        out += [
            Request(str(one), netlink.RTM_DELROUTE, one.body, 0, GONE) for one in self.saved.routes
            if one.encap and not one.devices & down
        ]
        return self.netns.rtnl.send(out)

    def make(self, rank, existing):
        """Makes the devices of a rank; returns what went wrong. Some may exist if the driver has
        never been away."""
        requests = self.create.get(rank, [])
        for request in requests:
            request.fine = THERE if existing else ()
        return self.netns.rtnl.send(requests)

    def set(self):
        """Sets what has to be set before devices are up."""
        wrong = self.netns.rtnl.send(self.prepare)
        if not wrong and self.files:
            with self.netns:
                for path, value in self.files:
                    wrong += settings.write(path, value)
        for link in self.saved.links:
            changed = self.saved.settings_of(link).get("flag_changes")
            if changed:
                wrong += settings.set_private_flags(self.netns, link.name, changed)
        return wrong

    def fill(self, existing):
        """Puts back all the rest."""
        return self.netns.rtnl.send((self._reshape() if existing else self.shape) + self.rest)

    def _reshape(self):
        """Qdiscs of devices that may have some, or half of them: those that differ are made
        anew."""
        out, there = [], tc.qdiscs(self.netns.rtnl)
        for link, objects in self.shaping.items():
            if tc.save(self.netns.rtnl, link.index, there.get(link.index, [])) != objects:
                for parent in (tc.TC_H_ROOT, tc.TC_H_INGRESS):
                    out.append(
                        Request(f"{link.name}: old qdiscs", RTM_DELQDISC,
                                struct.pack("=BxxxiIII", 0, link.index, 0, parent, 0), 0,
                                GONE + (errno.EINVAL, )))
                out += tc.requests(link.name, link.index, objects)
        return out

    def settle(self, after):
        """Makes alike what has come out differently, after all packets have found their way again:
        what the kernel adds by itself, what it sets when a device is made, and what only costs
        time."""
        before, wrong = self.saved, []
        new = {link.name: link for link in after.links}
        for link in before.links:
            if link.name not in new:
                continue
            mine, theirs = before.settings_of(link), after.settings_of(new[link.name])
            with self.netns:
                for key, value in mine["sysctls"].items():
                    if theirs["sysctls"].get(key) != value:
                        settings.write(settings.sysctl_path(link.name, key), value)
            for name, value in mine["files"].items():
                if theirs["files"].get(name) != value:
                    settings.write(f"{self.netns.sysfs}/class/net/{link.name}/{name}", value)
            changed = mine.get("feature_changes", 0) & theirs["features"][0]
            if (mine["features"][1] ^ theirs["features"][1]) & changed:
                wrong += settings.set_features(self.netns, link.name, changed, mine["features"][1])
        return wrong + self.netns.rtnl.send(self._surplus(after)) + self.netns.rtnl.send(
            self._missing(after))

    def _surplus(self, after):
        addresses, routes = {one.key
                             for one in self.saved.addresses
                             }, {one.key
                                 for one in self.saved.routes}
        out = [
            Request(str(one), RTM_DELADDR, one.body, 0, GONE + (errno.EADDRNOTAVAIL, ))
            for one in after.addresses if one.key not in addresses
        ]
        # Routes of one destination in the wrong order are all made anew.
        orders = state.order(self.saved)
        moved = {
            place
            for place, keys in state.order(after).items() if orders.get(place, keys) != keys
        }
        return out + [
            Request(str(one), netlink.RTM_DELROUTE, one.body, 0, GONE)
            for one in after.routes if one.key not in routes or one.place in moved
        ]

    def _missing(self, after):
        there, orders = {one.key for one in after.routes}, state.order(self.saved)
        moved = {
            place
            for place, keys in state.order(after).items() if orders.get(place, keys) != keys
        }
        routes = [one for one in self.saved.routes if one.key not in there or one.place in moved]
        addresses = {one.key for one in after.addresses}
        return self._add_addresses([one for one in self.saved.addresses
                                    if one.key not in addresses]) + self._add(routes, self._first())
