# SPDX-License-Identifier: GPL-2.0
"""What can't be put back, and is therefore looked for before anything is touched."""

import contextlib
import ctypes
import os
import platform
import struct

from . import namespaces, netlink, settings, state, tc
from .netlink import NLM_F_CREATE, NLM_F_EXCL, Request, attr

# Devices that stay when the one goes that they are on, and find it again by its index.
STAY = {
    "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan", "ipip", "sit", "ip6tnl", "vti",
    "vti6", "xfrm"
}
SYS_BPF = {
    "x86_64": 321,
    "aarch64": 280,
    "riscv64": 280,
    "loongarch64": 280,
    "ppc64le": 361,
    "s390x": 351
}
BPF_PROG_QUERY, BPF_TCX_INGRESS, BPF_TCX_EGRESS = 16, 46, 47
IFA_F_TEMPORARY, IFLA_XFRM_IF_ID = 0x01, 2
# The groups that each device is in.
EVERYBODY = {"010000E0", "ff020000000000000000000000000001", "ff010000000000000000000000000001"}


def _tcx(index):
    """How many programs are attached with tcx to a device of the namespace we are in."""
    number, count = SYS_BPF.get(platform.machine()), 0
    for where in (BPF_TCX_INGRESS, BPF_TCX_EGRESS) if number else ():
        query = ctypes.create_string_buffer(struct.pack("=III", index, where, 0), 64)
        if namespaces.libc.syscall(number, BPF_PROG_QUERY, query, 64) == 0:
            count += struct.unpack_from("=I", query, 24)[0]
    return count


def _stacked(world, links):
    """Of each device, by its namespace and index, which ones, in any namespace, go when it does."""
    found = {}
    for cookie, here in links.items():
        for link in here:
            if link.lower and link.kind not in STAY and (link.nsid is not None or
                                                         link.lower != link.index):
                place = world.below(cookie, link), link.lower
                found.setdefault(place, set()).add(f"{link.name} ({link.kind or 'of no kind'})")
    return found


def find(world, links, saved):
    """All obstacles, as texts. "links" are the links of each namespace by its cookie."""
    wrong, spaces, stacked = [], world.spaces, _stacked(world, links)
    for netns in spaces:
        for number, bodies in namespaces.hidden(netns, spaces):
            wrong += [
                f"{link.name} is in a namespace that nobody can enter, which {netns.name} "
                f"knows as {number}"
                for link in map(state.Link, bodies) if link.kind == "xfrm"
            ]
    for one in saved:
        netns = world.by_cookie[one.cookie]
        for link in one.links:
            where = world.below(one.cookie, link)
            if link.lower and link.lower not in {other.index for other in links.get(where, [])}:
                wrong.append(
                    f"{netns.name}: {link.name}: the device below it is gone, or in a "
                    "namespace that is"
                )
            wrong += [
                f"{netns.name}: {link.name}: {what}" for what in _of_link(
                    links, netns, link, stacked.get((one.cookie, link.index), set()))
            ]
        wrong += [
            f"{netns.name}: {address} is a temporary one" for address in one.addresses
            if address.family == state.AF_INET6 and address.flags & IFA_F_TEMPORARY
        ]
        wrong += [f"{netns.name}: {what}" for what in interleaved(one)]
    return wrong


def _of_link(links, netns, link, stacked):
    if link.xdp:
        yield "an XDP program is attached"
    if link.nsid == 0xFFFFFFFF:
        yield "the namespace of the device below it has no number here"
    masters = {one.index: one.name for one in links[netns.cookie]}
    if link.master and link.master_kind != "vrf":
        yield f"it is a port of {masters.get(link.master)}, which is no VRF"
    with contextlib.suppress(OSError):
        names = {
            name[6:]
            for name in os.listdir(f"{netns.sysfs}/class/net/{link.name}")
            if name.startswith("upper_")
        }
        stacked |= names - {masters.get(link.master)} - {name.split(" ")[0] for name in stacked}
    if stacked:
        yield f"on top of it is {', '.join(sorted(stacked))}"
    with netns:
        if _tcx(link.index):
            yield "BPF programs are attached with tcx"
        with contextlib.suppress(OSError), open("/proc/thread-self/net/ip_mr_vif",
                                                encoding="ascii") as lines:
            if any(line.split()[1:2] == [link.name] for line in lines):
                yield "it takes part in multicast routing"


def interleaved(saved):
    """Destinations for which routes that go are between others that stay; the kernel adds a route
    before or after all others."""
    own = {one.key for one in saved.routes}
    for place, keys in state.order(saved).items():
        kinds = [key in own for key in keys]
        if sum(one != other for one, other in zip(kinds, kinds[1:])) > 1:
            destination = f"{'.'.join(map(str, place[2][0]))}/{place[2][1]}"
            yield f"routes to {destination} are mixed with those of other devices"


def losses(netns, links):
    """What of sockets is lost with devices, and nobody but their owners can put back."""
    names = {link.name: link.index for link in links}
    with netns:
        with contextlib.suppress(OSError), open("/proc/thread-self/net/igmp",
                                                encoding="ascii") as lines:
            device = None
            for line in lines:
                fields = line.split()
                if not line.startswith("\t"):
                    device = fields[1] if len(fields) > 1 else None
                elif device in names and fields[0] not in EVERYBODY:
                    yield f"{device}: memberships of sockets in the group {_dotted(fields[0])}"
        with contextlib.suppress(OSError), open("/proc/thread-self/net/igmp6",
                                                encoding="ascii") as lines:
            for fields in map(str.split, lines):
                # Those of the addresses themselves, and of all nodes, are the kernel's.
                usual = fields[2] in EVERYBODY or fields[2].startswith("ff0200000000")
                if fields[1] in names and not usual and int(fields[3]):
                    yield f"{fields[1]}: memberships of sockets in the group {fields[2]}"
        with contextlib.suppress(OSError), open("/proc/thread-self/net/packet",
                                                encoding="ascii") as lines:
            next(lines)
            bound = [int(fields[4]) for fields in map(str.split, lines)]
            for name, index in names.items():
                if index in bound:
                    yield f"{name}: {bound.count(index)} packet sockets, as of tcpdump"


def _dotted(group):
    return ".".join(str(byte) for byte in struct.pack("=I", int(group, 16)))


def rehearse(saved, links):
    """Makes devices in a namespace of its own, with the driver that is there, and on them the
    qdiscs, classes and filters of each, and looks whether they come out as they were. Notes which
    features and private flags of devices somebody has changed. Returns obstacles."""
    wrong = []
    for one in saved:
        with contextlib.closing(namespaces.new_netns("rehearsal")) as netns:
            shaped = [link for link in one.links if one.settings_of(link)["tc"]]
            # Actions may send to any device of the namespace, by its index. Some are there: modules
            # of tunnels bring one to each namespace.
            stand_in = set()
            if any(item[0] == netlink.RTM_NEWTFILTER for link in shaped
                   for item in one.settings_of(link)["tc"]):
                there = {
                    state.Link(body).index
                    for body in netns.rtnl.dump(netlink.RTM_GETLINK, bytes(16))
                }
                stand_in = {link.index for link in links[one.cookie]} - there
            requests = [
                _stand_in(number + 1, index) for number, index in enumerate(
                    [*sorted(stand_in), *[0 for _ in shaped or one.links[:1]]])
            ]
            failed = netns.rtnl.send(requests)
            made = [state.Link(body) for body in netns.rtnl.dump(netlink.RTM_GETLINK, bytes(16))]
            made = [link for link in made if link.kind == "xfrm" and link.index not in stand_in]
            wrong += [f"{one.name}: a rehearsal: {what}" for what in failed]
            if failed or not made:
                continue
            _note_features(one, netns, made[0].name)
            for link, copy in zip(shaped, made):
                objects = state.tc_objects(one.settings_of(link))
                failed = netns.rtnl.send(tc.requests(link.name, copy.index, objects))
                again = tc.save(netns.rtnl, copy.index, tc.qdiscs(netns.rtnl).get(copy.index, []))
                if not failed and again != objects:
                    failed = [
                        f"{link.name}: {tc.difference(objects, again)}: not the same when it is "
                        "made again"
                    ]
                wrong += [f"{one.name}: {what}" for what in failed]
    return wrong


def unknown_to_c(saved):
    """What only our driver can do, of what somebody has asked for, as texts."""
    for one in saved:
        for link in one.links:
            if link.big_segments:
                yield (
                    f"{one.name}: {link.name}: the C driver sends no segments of more than "
                    f"{state.GSO_LEGACY_MAX_SIZE} bytes (gso_max_size, gso_ipv4_max_size)")
            for flag, on in one.settings_of(link).get("flag_changes", {}).items():
                yield (
                    f"{one.name}: {link.name}: the C driver has no private flag {flag}, which is "
                    f"{'on' if on else 'off'}")


def _stand_in(number, index):
    info = [
        attr(state.IFLA_INFO_KIND, b"xfrm"),
        attr(state.IFLA_INFO_DATA, [attr(IFLA_XFRM_IF_ID, number)])
    ]
    return Request(
        "a device", netlink.RTM_NEWLINK,
        struct.pack("=4xiII", index, 0, 0) + attr(state.IFLA_IFNAME, f"rehearsal{number}") +
        attr(state.IFLA_LINKINFO, info), NLM_F_CREATE | NLM_F_EXCL)


def _note_features(saved, netns, name):
    available, wanted = settings.features(netns, name)
    flags = settings.private_flags(netns, name)
    for link in saved.links:
        mine = saved.settings_of(link)
        mine["feature_changes"] = (mine["features"][1] ^ wanted) & mine["features"][0] & available
        # A device of another mode may have more of them; these are off in a new one.
        mine["flag_changes"] = {
            flag: on
            for flag, on in mine["private_flags"].items() if on != flags.get(flag, False)
        }
