#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draws changes, makes them, and compares where packets come in with the model.

    changes.py SENDER RECEIVER SEED COUNT

Prints each change; the last line says what differs.
"""

import random
import subprocess
import sys
import time

from model import dump, owners

DEVICE = "ipsec"
IF_IDS = range(1, 7)
TABLES = (101, 102, 103)
PREFIXES = {"-4": ("10.20.1.0/24", "10.20.2.0/24", "default"), "-6": ("fd20:1::/64", "fd20:2::/64", "default")}


def ip(netns, *words):
    """One command; what is refused changes nothing, which is as good."""
    subprocess.run(["ip", "-n", netns, *words], check=False, capture_output=True)


class World:
    """The receiving gateway."""

    def __init__(self, netns, draw):
        self.netns, self.draw = netns, draw

    def lead(self, family):
        """Where a route leads."""
        draw = self.draw
        kind = draw.random()
        if kind < 0.5:
            return ["dev", DEVICE, "encap", "xfrm", "if_id", str(draw.choice(IF_IDS))]
        if kind < 0.65 and family == "-6":
            return ["via", f"fe80::{draw.randint(1, 3)}", "dev", DEVICE, "encap", "xfrm", "if_id",
                    str(draw.choice(IF_IDS))]
        if kind < 0.9:
            return ["nhid", str(draw.choice((1, 2, 3, 10, 11)))]
        return ["dev", "under"]

    def route(self):
        """A route comes, goes, or leads elsewhere."""
        draw = self.draw
        family = draw.choice(("-4", "-6"))
        where = [draw.choice(PREFIXES[family]), "table", str(draw.choice(TABLES))]
        verb = draw.choice(("add", "add", "append", "replace", "replace", "prepend", "del"))
        if verb == "del":
            return [family, "route", "del", *where]
        if draw.random() < 0.3:
            where += ["metric", draw.choice(("10", "20"))]
        if family == "-4" and draw.random() < 0.1:
            where += ["tos", "0x10"]
        return [family, "route", verb, *where, *self.lead(family)]

    def nexthop(self):
        """A nexthop object or a group comes, goes, or leads elsewhere."""
        draw = self.draw
        number = draw.choice((1, 2, 3))
        choice = draw.random()
        if choice < 0.15:
            return ["nexthop", "del", "id", str(draw.choice((number, 10, 11)))]
        if choice < 0.4:
            members = draw.sample((1, 2, 3), draw.randint(1, 3))
            return ["nexthop", "replace", "id", str(draw.choice((10, 11))), "group", "/".join(map(str, members))]
        family = "-4" if number < 3 else "-6"
        return [family, "nexthop", "replace", "id", str(number), "dev", DEVICE, "encap", "xfrm", "if_id",
                str(draw.choice(IF_IDS))]

    def vrf(self):
        """A VRF comes or goes."""
        name = self.draw.choice(("red", "blue", "grey"))
        if self.draw.random() < 0.4:
            return ["link", "del", name]
        return ["link", "add", name, "up", "type", "vrf", "table", str(self.draw.choice(TABLES))]

    def change(self):
        """Any of these."""
        kind = self.draw.choices((self.route, self.nexthop, self.vrf, self.flush), (60, 25, 12, 3))[0]
        words = kind()
        print("#", *words, flush=True)
        ip(self.netns, *words)

    def flush(self):
        """Many go at once."""
        return self.draw.choice((["route", "flush", "table", str(self.draw.choice(TABLES))],
                                 ["nexthop", "flush"]))


class Probe:
    """Packets of each connection, and by which devices they come in."""

    def __init__(self, sender, receiver):
        self.sender, self.receiver = sender, receiver
        subprocess.run(["ip", "netns", "exec", receiver, "nft", "-f", "-"], check=True, text=True, input="""
            table inet seen {
                set by { type ifname . ipv4_addr; flags dynamic; size 64; }
                chain pre {
                    type filter hook prerouting priority -310;
                    udp dport 9 add @by { iifname . ip daddr }
                }
            }""")

    def received(self):
        """How many packets the device has received."""
        return dump(self.receiver, "-s", "link", "show", "dev", DEVICE)[0]["stats64"]["rx"]["packets"]

    def arrivals(self):
        """By which devices packets of each connection come in."""
        nft = ["ip", "netns", "exec", self.receiver, "nft"]
        subprocess.run([*nft, "flush", "set", "inet", "seen", "by"], check=True)
        before = self.received()
        script = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" + "\n".join(
            f"s.sendto(b'', ('10.9.0.{if_id}', 9))" for if_id in IF_IDS)
        subprocess.run(["ip", "netns", "exec", self.sender, "python3", "-c", script], check=True)
        deadline = time.monotonic() + 10
        while self.received() < before + len(IF_IDS) and time.monotonic() < deadline:
            time.sleep(0.01)
        lines = subprocess.run([*nft, "list", "set", "inet", "seen", "by"], check=True, capture_output=True,
                               text=True).stdout
        found = {if_id: set() for if_id in IF_IDS}
        for word in lines.replace(",", "\n").replace("{", "\n").replace("}", "\n").splitlines():
            if " . 10.9.0." in word:
                device, address = word.split(" . ")
                found[int(address.split()[0].rsplit(".", 1)[1])].add(device.strip().strip('"'))
        return found


def expected(vrfs):
    """By which devices packets come in of a connection to which these VRFs have routes."""
    if not vrfs:
        return {DEVICE}
    return vrfs if len(vrfs) == 1 else set()


def main():
    """Makes COUNT changes."""
    sender, receiver, seed, count = sys.argv[1:3] + [int(it) for it in sys.argv[3:5]]
    world, probe = World(receiver, random.Random(seed)), Probe(sender, receiver)
    for number in range(1, count + 1):
        world.change()
        claims, arrivals = owners(receiver, DEVICE), probe.arrivals()
        for if_id in IF_IDS:
            should = expected(claims.get(if_id, set()))
            if arrivals[if_id] != should:
                sys.exit(f"after {number} changes connection {if_id} comes in by {sorted(arrivals[if_id])}, "
                         f"should by {sorted(should)}")


if __name__ == "__main__":
    main()
