# SPDX-License-Identifier: GPL-2.0
"""Whose a connection is, by what the kernel dumps of routes, nexthop objects and VRFs."""

import json
import subprocess


def dump(netns, *command):
    """What ip says, as JSON."""
    out = subprocess.run(["ip", "-n", netns, "-d", "-j", *command], check=False, capture_output=True, text=True)
    # Where there is nothing, ip says that by objects without anything in them.
    return [it for it in json.loads(out.stdout or "[]") if it]


def if_ids(hop, objects, device):
    """The connections that a route, a nexthop of one, or an object leads to."""
    if "nhid" in hop:
        return if_ids(objects.get(hop["nhid"], {}), objects, device)
    found = set()
    for part in hop.get("group", []):
        found |= if_ids(objects.get(part["id"], {}), objects, device)
    for part in hop.get("nexthops", []):
        found |= if_ids(part, objects, device)
    encap = hop.get("encap", {})
    if hop.get("dev") == device and encap.get("encap_type") == "xfrm":
        found.add(int(str(encap["if_id"]), 0))
    return found


def used(routes):
    """The routes of a table that the kernel uses: the first to each prefix; ECMP routes are one."""
    by_prefix = {}
    for route in routes:
        by_prefix.setdefault(route["dst"], route)
    return by_prefix.values()


def owners(netns, device):
    """For each connection the VRFs whose routes lead to it."""
    objects = {it["id"]: it for it in dump(netns, "nexthop")}
    vrfs = {}
    for link in dump(netns, "link", "show", "type", "vrf"):
        vrfs.setdefault(link["linkinfo"]["info_data"]["table"], []).append(link["ifname"])
    found = {}
    for family in ("-4", "-6"):
        tables = {}
        for route in dump(netns, family, "route", "show", "table", "all"):
            tables.setdefault(route.get("table", "main"), []).append(route)
        for table, routes in tables.items():
            names = vrfs.get(int(table) if str(table).isdigit() else table, [])
            for route in used(routes):
                for if_id in if_ids(route, objects, device):
                    found.setdefault(if_id, set()).update(names)
    return found
