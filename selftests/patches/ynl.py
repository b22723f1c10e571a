#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# Time: 38
"""
The kernel's own netlink tool, YNL, with the specifications of patches/7.3: devices and routes that it
makes are what iproute2 and the kernel say they are, and it reads what iproute2 makes. The patches
touch nothing but the tool and what it reads, so this works on any kernel.
"""

# pylint: disable=wrong-import-position
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
import rtnl
from namespace import Namespace
from rtnl import u32
from rtnl import IFLA_XFRM_LINK, IFLA_XFRM_IF_ID, IFLA_XFRM_COLLECT_METADATA

sys.path.insert(0, rtnl.kernel_library())
from lib.py import ksft_run, ksft_exit, ksft_eq, ksft_in, ksft_ne, ksft_true, ksft_variants
from lib.py import KsftNamedVariant as Case
from lib.py import ip

SOURCE = pathlib.Path(rtnl.kernel_library()).parents[3]
PATCHES = pathlib.Path(__file__).resolve().parents[2] / "patches" / "7.3"
SPECS = "Documentation/netlink/specs"


class Tool:
    """A copy of the tool and the specifications from the kernel's source, with the patches."""

    def __init__(self, place):
        self.place = pathlib.Path(place)
        for part in "tools/net/ynl", "Documentation/netlink", "Documentation/userspace-api/netlink":
            shutil.copytree(SOURCE / part, self.place / part)
        for patch in sorted(PATCHES.glob("*netlink-specs-*.patch")):
            self.patch(patch)

    def patch(self, patch):
        """Applies a patch, unless the kernel's source has it."""
        command = ["patch", "--directory", self.place, "--strip=1", "--force", "--silent", "--input", patch]
        reverse = subprocess.run(command + ["--reverse", "--dry-run"], check=False, capture_output=True)
        if reverse.returncode:
            subprocess.run(command, check=True)

    def run(self, family, *arguments, **attributes):
        """Runs the tool; the process that has ended."""
        command = [sys.executable, self.place / "tools/net/ynl/pyynl/cli.py", "--no-schema", "--output-json",
                   "--spec", self.place / SPECS / f"{family}.yaml", *arguments,
                   "--json", json.dumps({name.replace("_", "-"): value for name, value in attributes.items()})]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    def ask(self, family, *arguments, **attributes):
        """Runs the tool; what it prints."""
        process = self.run(family, *arguments, **attributes)
        ksft_eq(process.returncode, 0, process.stdout + process.stderr)
        return json.loads(process.stdout) if process.stdout.strip() else None


def namespace():
    """A namespace with a dummy and an external device."""
    return Namespace("link add d0 type dummy", "link set d0 up",
                     "link add ext type xfrm external", "link set ext up")


def shown(tool, name):
    """What the tool says of the kind of a device."""
    return tool.ask("rt-link", "--do", "getlink", ifname=name)["linkinfo"]


def link_static(tool):
    """A device with an if_id and a link."""
    with namespace() as socket:
        link = rtnl.ifindex("d0")
        tool.ask("rt-link", "--do", "newlink", "--create", "--excl", ifname="x",
                 linkinfo={"kind": "xfrm", "data": {"if-id": 0xFFFFFFFE, "link": link}})
        _, info = socket.link_get("x")
        ksft_eq(u32(info[IFLA_XFRM_IF_ID]), 0xFFFFFFFE)
        ksft_eq(u32(info[IFLA_XFRM_LINK]), link)
        ksft_true(IFLA_XFRM_COLLECT_METADATA not in info)
        ksft_eq(shown(tool, "x"), {"kind": "xfrm", "data": {"if-id": 0xFFFFFFFE, "link": link}})


def link_external(tool):
    """A device for all connections."""
    with namespace() as socket:
        ip("link del ext")
        tool.ask("rt-link", "--do", "newlink", "--create", "--excl", ifname="x",
                 linkinfo={"kind": "xfrm", "data": {"collect-metadata": True}})
        _, info = socket.link_get("x")
        ksft_in(IFLA_XFRM_COLLECT_METADATA, info)
        ksft_true(shown(tool, "x")["data"]["collect-metadata"])


def link_dump(tool):
    """All devices, among them what iproute2 made."""
    with namespace():
        ip("link add s type xfrm if_id 5 dev d0")
        links = {link["ifname"]: link["linkinfo"] for link in tool.ask("rt-link", "--dump", "getlink")
                 if "linkinfo" in link}
        ksft_eq(links["s"], {"kind": "xfrm", "data": {"if-id": 5, "link": rtnl.ifindex("d0")}})
        ksft_eq(links["ext"]["kind"], "xfrm")
        ksft_true(links["ext"]["data"]["collect-metadata"])


ADDRESSES = Case("4", "10.9.0.9"), Case("6", "fd00:9::9")


def route_new(tool, address, dev, **attributes):
    """Adds a route to one address; the process that has ended."""
    family, length = (10, 128) if ":" in address else (2, 32)
    return tool.run("rt-route", "--do", "newroute", "--create", "--excl", rtm_family=family,
                    rtm_dst_len=length, rtm_table=254, rtm_protocol=4, rtm_type=1, dst=address,
                    oif=rtnl.ifindex(dev), **attributes)


def route_get(tool, address):
    """What the tool says of a route."""
    routes = tool.ask("rt-route", "--dump", "getroute", rtm_family=10 if ":" in address else 2)
    return [route for route in routes if route.get("dst") == address and route["rtm-table"] == 254][0]


def route_ip(address):
    """What iproute2 says of a route."""
    return ip(f"{'-6' if ':' in address else '-4'} route show {address}", json=True)[0]


@ksft_variants(ADDRESSES)
def route_made(tool, address):
    """A route whose encapsulation names the connection and the device to send through."""
    with namespace():
        process = route_new(tool, address, "ext", encap_type="xfrm",
                            encap={"if-id": 0xFFFFFFFE, "link": rtnl.ifindex("d0")})
        ksft_eq(process.returncode, 0, process.stdout + process.stderr)
        encap = route_ip(address)["encap"]
        ksft_eq((encap["encap_type"], encap["if_id"], encap["link_dev"]), ("xfrm", 0xFFFFFFFE, "d0"))


@ksft_variants(ADDRESSES)
def route_read(tool, address):
    """The same, made by iproute2. The kernel tells the type after the encapsulation."""
    with namespace():
        ip(f"route add {address} dev ext encap xfrm if_id 7 link_dev d0")
        route = route_get(tool, address)
        ksft_eq(route["encap-type"], "xfrm")
        ksft_eq(route["encap"], {"if-id": 7, "link": rtnl.ifindex("d0")})


@ksft_variants(ADDRESSES)
def route_refused(tool, address):
    """What is wrong with an encapsulation is named."""
    with namespace():
        process = route_new(tool, address, "ext", encap_type="xfrm", encap={"if-id": 0})
        ksft_ne(process.returncode, 0)
        ksft_in(".encap(xfrm).if-id", process.stdout + process.stderr)


@ksft_variants([Case("named", "ip"), Case("numbered", 2)])
def route_other(tool, kind):
    """Another encapsulation is read and written as bytes, as without the patches."""
    with namespace():
        ip("route add 10.9.0.1 dev d0 encap ip id 7 dst 192.0.2.9")
        route = route_get(tool, "10.9.0.1")
        ksft_true(isinstance(route["encap"], str) and len(route["encap"]) >= 16, route["encap"])
        process = route_new(tool, "10.9.0.2", "d0", encap_type=kind, encap=route["encap"])
        ksft_eq(process.returncode, 0, process.stdout + process.stderr)
        ksft_eq(route_ip("10.9.0.2")["encap"], route_ip("10.9.0.1")["encap"])


def main():
    """Runs all cases, or those that run.sh was asked for."""
    for name in os.environ.get("SUBTESTS", "").replace(",", " ").split():
        sys.argv += ["-t", name]
    with tempfile.TemporaryDirectory() as place:
        ksft_run([link_static, link_external, link_dump, route_made, route_read, route_refused, route_other],
                 args=(Tool(place),))
    ksft_exit()


if __name__ == "__main__":
    main()
