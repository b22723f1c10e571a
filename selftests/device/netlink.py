#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
# Time: 42
"""
Requests as user space makes them, and as it should not: for each the error, the text of the extended
acknowledgement and what the device is afterwards.

	+------------- a namespace per case -------------+
	|  d0 (dummy)      x (the device under test)     |
	+------------------------------------------------+

Cases with "text" in their name are about the words that go with a refusal, which have to name the
attribute; the others are about the error, and about what is there afterwards.
"""

# pylint: disable=wrong-import-position
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
import rtnl
from namespace import Namespace
from rtnl import attr, Rtnl, u32
from rtnl import IFLA_XFRM_LINK, IFLA_XFRM_IF_ID, IFLA_XFRM_COLLECT_METADATA
from rtnl import LWT_XFRM_IF_ID, LWT_XFRM_LINK

sys.path.insert(0, rtnl.kernel_library())
from lib.py import ksft_run, ksft_exit, ksft_eq, ksft_in, ksft_true, ksft_variants
from lib.py import KsftNamedVariant as Case
from lib.py import ip


def link(value):
    """IFLA_XFRM_LINK; "d0" stands for the index of the dummy."""
    return attr(IFLA_XFRM_LINK, rtnl.ifindex(value) if isinstance(value, str) else value)


def if_id(value):
    """IFLA_XFRM_IF_ID."""
    return attr(IFLA_XFRM_IF_ID, value)


def external(payload=b""):
    """IFLA_XFRM_COLLECT_METADATA."""
    return attr(IFLA_XFRM_COLLECT_METADATA, payload)


def namespace():
    """A namespace with a dummy."""
    return Namespace("link add d0 type dummy")


# What is accepted: a name, the attributes, and the if_id, the link and whether it is external
# after.
ACCEPTED = [
    Case("if_id", lambda: [if_id(5)], 5, None, False),
    Case("if_id_and_link", lambda: [if_id(5), link("d0")], 5, "d0", False),
    Case("link_0", lambda: [if_id(5), link(0)], 5, None, False),
    Case("if_id_highest", lambda: [if_id(0xFFFFFFFF)], 0xFFFFFFFF, None, False),
    Case("if_id_twice_last_counts", lambda: [if_id(5), if_id(6)], 6, None, False),
    Case("if_id_too_long_first_u32_counts", lambda: [if_id(b"\5\0\0\0\6\0\0\0")], 5, None, False),
    Case("unknown_attribute_ignored", lambda: [if_id(5), attr(4, 1), attr(99, b"x")], 5, None, False),
    Case("external", lambda: [external()], 0, None, True),
    Case("external_if_id_0_link_0", lambda: [external(), if_id(0), link(0)], 0, None, True),
]


@ksft_variants(ACCEPTED)
def accept(data, wanted_if_id, wanted_link, wanted_external):
    """A device that comes into being, and what a dump says of it."""
    with namespace() as socket:
        answer = socket.link_new("x", data())
        ksft_eq(Rtnl.name(answer.error), "ok", answer.message)
        found, info = socket.link_get("x")
        index = rtnl.ifindex(wanted_link) if wanted_link else 0
        ksft_eq(u32(info[IFLA_XFRM_IF_ID]), wanted_if_id)
        ksft_eq(u32(info[IFLA_XFRM_LINK]), index)
        ksft_eq(IFLA_XFRM_COLLECT_METADATA in info, wanted_external)
        ksft_eq(info.get(IFLA_XFRM_COLLECT_METADATA, b""), b"", "a flag carries nothing")
        ksft_eq(u32(found[rtnl.IFLA_MTU]), 1500)
        ksft_eq(u32(found[rtnl.IFLA_MIN_MTU]), 68)
        ksft_eq(u32(found[rtnl.IFLA_MAX_MTU]), 65535)
        ksft_eq(u32(found[rtnl.IFLA_LINK]) if rtnl.IFLA_LINK in found else 0, index)
        ksft_eq(Rtnl.name(socket.link_del("x").error), "ok")
        ksft_true(socket.link_get("x")[0] is None)


# What is refused: a name, the attributes, the errors that will do, and what the text has to name.
NAMES_IF_ID, NAMES_LINK = r"(?i)if_id", r"(?i)\blink|\bdev"
NAMES_EXTERNAL = r"(?i)external|collect_md|collect metadata"
ANY = r"."
REFUSED = [
    ("no_data", lambda: None, {"EINVAL"}, NAMES_IF_ID),
    ("empty_data", lambda: [], {"EINVAL"}, NAMES_IF_ID),
    ("link_without_if_id", lambda: [link("d0")], {"EINVAL"}, NAMES_IF_ID),
    ("if_id_0", lambda: [if_id(0)], {"EINVAL"}, NAMES_IF_ID),
    ("if_id_taken", lambda: [if_id(77)], {"EEXIST"}, NAMES_IF_ID),
    ("if_id_taken_other_link", lambda: [if_id(77), link("d0")], {"EEXIST"}, NAMES_IF_ID),
    ("external_with_if_id", lambda: [external(), if_id(5)], {"EINVAL"}, NAMES_IF_ID),
    ("external_with_link", lambda: [external(), link("d0")], {"EINVAL"}, NAMES_LINK),
    ("external_second", lambda: [external()], {"EEXIST"}, NAMES_EXTERNAL),
    ("if_id_too_short", lambda: [if_id(b"\5\0")], {"ERANGE", "EINVAL"}, ANY),
    ("if_id_empty", lambda: [if_id(b"")], {"ERANGE", "EINVAL"}, ANY),
    ("link_too_short", lambda: [if_id(5), link(b"\1")], {"ERANGE", "EINVAL"}, ANY),
    ("external_with_payload", lambda: [external(b"\1\0\0\0")], {"ERANGE", "EINVAL"}, ANY),
    ("link_absent", lambda: [if_id(5), link(9999)], {"ENODEV"}, NAMES_LINK),
    ("link_absent_negative", lambda: [if_id(5), link(-1)], {"ENODEV", "EINVAL"}, NAMES_LINK),
]


def refused(data):
    """Asks for a device that is refused; the answer."""
    with namespace() as socket:
        for name, present in ("s", [if_id(77)]), ("e", [external()]):
            ksft_eq(Rtnl.name(socket.link_new(name, present).error), "ok")
        answer = socket.link_new("x", data())
        ksft_true(socket.link_get("x")[0] is None, "a refused device exists")
        # What was there stays as it was.
        ksft_eq(u32(socket.link_get("s")[1][IFLA_XFRM_IF_ID]), 77)
        ksft_in(IFLA_XFRM_COLLECT_METADATA, socket.link_get("e")[1])
    return answer


@ksft_variants([Case(name, data, errors) for name, data, errors, _ in REFUSED])
def refuse(data, errors):
    """The error of a refusal."""
    ksft_in(Rtnl.name(refused(data).error), errors)


@ksft_variants([Case(name, data, text) for name, data, _, text in REFUSED])
def refuse_text(data, text):
    """The words of a refusal."""
    answer = refused(data)
    ksft_true(answer.error and re.search(text, answer.message),
              f"{Rtnl.name(answer.error)}: '{answer.message}' should match {text}")


# Changes of a static device with the if_id 5 and the link d0, where 77 is taken: a name, the
# attributes, the errors, the text, and the if_id that the device has then.
CHANGES = [
    ("if_id", lambda: [if_id(6), link("d0")], {"ok"}, None, 6),
    ("if_id_same", lambda: [if_id(5), link("d0")], {"ok"}, None, 5),
    ("if_id_taken", lambda: [if_id(77), link("d0")], {"EEXIST"}, NAMES_IF_ID, 5),
    ("if_id_0", lambda: [if_id(0), link("d0")], {"EINVAL"}, NAMES_IF_ID, 5),
    ("no_if_id", lambda: [link("d0")], {"ok"}, None, 5),
    ("empty_data", lambda: [], {"ok"}, None, 5),
    ("link_left_out", lambda: [if_id(6)], {"ok"}, None, 6),
    ("link_other", lambda: [if_id(6), link("lo")], {"EINVAL"}, NAMES_LINK, 5),
    ("link_absent", lambda: [if_id(6), link(9999)], {"EINVAL", "ENODEV"}, NAMES_LINK, 5),
    ("to_external", lambda: [external()], {"EINVAL"}, ANY, 5),
    ("to_external_with_if_id", lambda: [if_id(6), link("d0"), external()], {"EINVAL"}, NAMES_EXTERNAL, 5),
]


def changed(data, wanted):
    """Changes a static device; the answer."""
    with namespace() as socket:
        ksft_eq(Rtnl.name(socket.link_new("s", [if_id(77)]).error), "ok")
        ksft_eq(Rtnl.name(socket.link_new("x", [if_id(5), link("d0")]).error), "ok")
        answer = socket.link_change("x", data())
        _, info = socket.link_get("x")
        ksft_eq(u32(info[IFLA_XFRM_IF_ID]), wanted)
        ksft_eq(u32(info[IFLA_XFRM_LINK]), rtnl.ifindex("d0"))
        # The if_id that the device has is taken, and the one that it has not is free.
        ksft_eq(Rtnl.name(socket.link_new("y", [if_id(wanted)]).error), "EEXIST")
        ksft_eq(Rtnl.name(socket.link_new("z", [if_id(11 - wanted)]).error), "ok")
    return answer


@ksft_variants([Case(name, data, errors, wanted) for name, data, errors, _, wanted in CHANGES])
def change(data, errors, wanted):
    """The error of a change, and what became of the device."""
    ksft_in(Rtnl.name(changed(data, wanted).error), errors)


@ksft_variants([Case(name, data, text, wanted) for name, data, _, text, wanted in CHANGES if text])
def change_text(data, text, wanted):
    """The words of a refused change."""
    answer = changed(data, wanted)
    ksft_true(answer.error and re.search(text, answer.message),
              f"{Rtnl.name(answer.error)}: '{answer.message}' should match {text}")


EXTERNAL_CHANGES = [
    ("if_id", lambda: [if_id(5)], {"EINVAL"}, NAMES_EXTERNAL),
    ("external_and_if_id", lambda: [external(), if_id(5)], {"EINVAL"}, NAMES_EXTERNAL),
    ("missing_attribute_external", lambda: [external()], {"EINVAL", "ok"}, NAMES_EXTERNAL),
    ("missing_attribute_empty_data", lambda: [], {"EINVAL", "ok"}, NAMES_EXTERNAL),
]


def changed_external(data):
    """Changes an external device; the answer."""
    with namespace() as socket:
        ksft_eq(Rtnl.name(socket.link_new("x", [external()]).error), "ok")
        answer = socket.link_change("x", data())
        _, info = socket.link_get("x")
        ksft_in(IFLA_XFRM_COLLECT_METADATA, info)
        ksft_eq(u32(info[IFLA_XFRM_IF_ID]), 0)
        ksft_eq(Rtnl.name(socket.link_new("y", [external()]).error), "EEXIST")
        ksft_eq(Rtnl.name(socket.link_new("z", [if_id(5)]).error), "ok")
    return answer


@ksft_variants([Case(name, data, errors) for name, data, errors, _ in EXTERNAL_CHANGES])
def change_external(data, errors):
    """An external device stays what it is."""
    ksft_in(Rtnl.name(changed_external(data).error), errors)


@ksft_variants([Case(name, data, text) for name, data, _, text in EXTERNAL_CHANGES])
def change_external_text(data, text):
    """The words with which it stays what it is; none are needed where nothing was to change."""
    answer = changed_external(data)
    ksft_true(not answer.error or re.search(text, answer.message),
              f"{Rtnl.name(answer.error)}: '{answer.message}' should match {text}")


def change_without_data():
    """A change that is not about the kind, as "ip link set x mtu 1400" makes it, with a kind."""
    with namespace() as socket:
        socket.link_new("x", [if_id(5)])
        answer = socket.link_new("x", None, extra=attr(rtnl.IFLA_MTU, 1400), flags=0)
        ksft_eq(Rtnl.name(answer.error), "ok", answer.message)
        found, info = socket.link_get("x")
        ksft_eq(u32(found[rtnl.IFLA_MTU]), 1400)
        ksft_eq(u32(info[IFLA_XFRM_IF_ID]), 5)


def change_notified():
    """A change is announced to those who listen."""
    with namespace() as socket:
        socket.link_new("x", [if_id(5)])
        # The kernel announces changes of this sort only for devices that are up.
        ip("link set x up")
        listener = Rtnl(groups=1)
        socket.link_change("x", [if_id(6)])
        seen = [u32(info[IFLA_XFRM_IF_ID]) for name, info in listener.links() if name == "x"]
        ksft_in(6, seen)


@ksft_variants([Case("lowest", 68, "ok"), Case("highest", 65535, "ok"),
                Case("too_low", 67, "EINVAL"), Case("too_high", 65536, "EINVAL")])
def mtu(value, error):
    """The bounds of the MTU, at creation."""
    with namespace() as socket:
        answer = socket.link_new("x", [if_id(5)], extra=attr(rtnl.IFLA_MTU, value))
        ksft_eq(Rtnl.name(answer.error), error, answer.message)


def free_after_delete():
    """What a deleted device owned can be had again."""
    with namespace() as socket:
        for _ in range(3):
            for name, data in ("x", [if_id(5)]), ("e", [external()]):
                ksft_eq(Rtnl.name(socket.link_new(name, data).error), "ok")
            for name in "x", "e":
                ksft_eq(Rtnl.name(socket.link_del(name).error), "ok")


def name_taken_frees_if_id():
    """A device that can't be registered leaves nothing behind."""
    with namespace() as socket:
        for data in [if_id(5)], [external()]:
            ksft_eq(Rtnl.name(socket.link_new("d0", data).error), "EEXIST")
            ksft_eq(Rtnl.name(socket.link_new("a\x02/", data).error), "EINVAL")
            ksft_eq(Rtnl.name(socket.link_new("x", data).error), "ok")
            ksft_eq(Rtnl.name(socket.link_del("x").error), "ok")


def many():
    """Several hundred devices, whose if_ids all share the low bits, are told apart."""
    with namespace() as socket:
        for i in range(1, 301):
            ksft_eq(Rtnl.name(socket.link_new(f"x{i}", [if_id(i << 8)]).error), "ok")
        ksft_eq(Rtnl.name(socket.link_new("y", [if_id(200 << 8)]).error), "EEXIST")
        socket.link_del("x200")
        ksft_eq(Rtnl.name(socket.link_new("y", [if_id(200 << 8)]).error), "ok")
        ksft_eq(u32(socket.link_get("x300")[1][IFLA_XFRM_IF_ID]), 300 << 8)


# Routes: a name, the encapsulation's attributes, whether they are marked as nested, the errors, the
# text.
ROUTES = [
    ("if_id", lambda: [attr(LWT_XFRM_IF_ID, 5)], True, {"ok"}, None),
    ("if_id_and_link", lambda: [attr(LWT_XFRM_IF_ID, 5), attr(LWT_XFRM_LINK, 3)], True, {"ok"}, None),
    ("if_id_highest", lambda: [attr(LWT_XFRM_IF_ID, 0xFFFFFFFF)], True, {"ok"}, None),
    ("no_if_id", lambda: [attr(LWT_XFRM_LINK, 3)], True, {"EINVAL"}, NAMES_IF_ID),
    ("empty", lambda: [], True, {"EINVAL"}, NAMES_IF_ID),
    ("if_id_0", lambda: [attr(LWT_XFRM_IF_ID, 0)], True, {"ERANGE"}, ANY),
    ("link_0", lambda: [attr(LWT_XFRM_IF_ID, 5), attr(LWT_XFRM_LINK, 0)], True, {"ERANGE"}, ANY),
    ("if_id_too_short", lambda: [attr(LWT_XFRM_IF_ID, b"\5\0")], True, {"ERANGE", "EINVAL"}, ANY),
    ("if_id_too_long", lambda: [attr(LWT_XFRM_IF_ID, bytes(8))], True, {"ERANGE", "EINVAL"}, ANY),
    ("unknown_attribute", lambda: [attr(LWT_XFRM_IF_ID, 5), attr(3, 1)], True, {"EINVAL"}, ANY),
    ("not_nested", lambda: [attr(LWT_XFRM_IF_ID, 5)], False, {"EINVAL"}, ANY),
]


def route_answer(data, nested, destination):
    """Adds a route through an external device; the answer."""
    with namespace() as socket:
        socket.link_new("x", [external()])
        ip("link set x up")
        answer = socket.route_new(destination, rtnl.ifindex("x"), data(),
                                  nested=rtnl.NLA_F_NESTED if nested else 0)
        family = "-6" if ":" in destination else "-4"
        there = [route for route in ip(f"{family} route show {destination}", json=True)
                 if route.get("encap", {}).get("encap_type") == "xfrm"]
        ksft_eq(len(there), 0 if answer.error else 1, "routes with an encapsulation")
    return answer


ROUTE_ADDRESSES = (("4", "10.9.9.9"), ("6", "fd00:9::9"))


@ksft_variants([Case(f"{name}_{family}", data, nested, address, errors)
                for name, data, nested, errors, _ in ROUTES for family, address in ROUTE_ADDRESSES])
def route(data, nested, address, errors):
    """The error that adding a route gives."""
    ksft_in(Rtnl.name(route_answer(data, nested, address).error), errors)


@ksft_variants([Case(name, data, nested, text) for name, data, nested, _, text in ROUTES
                if text])
def route_text(data, nested, text):
    """The words with which a route is refused."""
    answer = route_answer(data, nested, "10.9.9.9")
    ksft_true(answer.error and re.search(text, answer.message),
              f"{Rtnl.name(answer.error)}: '{answer.message}' should match {text}")


def main():
    """Runs all cases, or those that run.sh was asked for."""
    for name in os.environ.get("SUBTESTS", "").replace(",", " ").split():
        sys.argv += ["-t", name]
    ksft_run([accept, refuse, refuse_text, change, change_text, change_external,
              change_external_text, change_without_data, change_notified, mtu, free_after_delete,
              name_taken_frees_if_id, many, route, route_text])
    ksft_exit()


if __name__ == "__main__":
    main()
