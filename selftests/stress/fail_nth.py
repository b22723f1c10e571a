# SPDX-License-Identifier: GPL-2.0
"""Lets each allocation of an operation fail, one after the other, and looks at what is left behind.

    fail_nth.py NAMESPACE OPERATION [ARGUMENT...]

The operations are at the end of this file. An operation is repeated, and each
time a later allocation fails, until it needs no more of them. It may succeed all the same; if not, it
has to leave everything as it was, and to succeed when it is tried again.

Of what loading the module, a new namespace, and receiving take, only what the driver asks for fails: the
rest is not about it, and the kernel does not survive all of that.

Prints how many allocations have failed. The exit code is 1 if something was wrong, or if none has failed.
"""

# pylint: disable=wrong-import-position
import collections
import ctypes
import errno
import os
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
import rtnl
from rtnl import attr, ifindex, Rtnl, u32, IFF_UP, IFLA_LINK_NETNSID, IFLA_XFRM_COLLECT_METADATA, \
    IFLA_XFRM_IF_ID, IFLA_XFRM_LINK, LWT_XFRM_IF_ID, LWT_XFRM_LINK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, \
    RTM_DELROUTE, RTM_GETLINK, RTM_NEWROUTE

# An operation with more allocations than this does not come to an end.
TOO_MANY = 3000

NO_MEMORY = {errno.ENOMEM, errno.ENOBUFS}

DEBUG = "/sys/kernel/debug"
CLASSES = ("failslab", "fail_page_alloc")

UDP_SEGMENT = 103
SO_MARK, SO_RCVMARK = 36, 75
MCL_CURRENT, MCL_FUTURE = 1, 2
SYS_DELETE_MODULE, SYS_FINIT_MODULE = 176, 313

libc = ctypes.CDLL(None, use_errno=True)


class Wrong(Exception):
    """What is not as it should be."""


def expect(condition, text):
    """Fails the operation unless the condition holds."""
    if not condition:
        raise Wrong(text)


def setting(name, value, classes=CLASSES):
    """Sets a property of fault injection."""
    for kind in classes:
        with open(f"{DEBUG}/{kind}/{name}", "w", encoding="ascii") as file:
            file.write(str(value))


def function(name):
    """The range of a function of the kernel's, in what the kernel says of its symbols."""
    with open(os.environ.get("KALLSYMS", "/proc/kallsyms"), encoding="ascii") as file:
        text = file.read()
    found = re.search(rf"^([0-9a-f]+) [tT] {name}\n", text, re.MULTILINE)
    expect(found, f"the kernel has no {name}")
    # They are in their order.
    for other in re.compile(r"([0-9a-f]+) .*\n").finditer(text, found.end()):
        if other[1] != found[1]:
            return int(found[1], 16), int(other[1], 16)
    raise Wrong(f"{name} has no end")


def module_text(module):
    """The range of a module's functions."""
    with open("/proc/kallsyms", encoding="ascii") as file:
        found = re.findall(rf"^([0-9a-f]+) [tT] .*\[{module}\]$", file.read(), re.MULTILINE)
    addresses = [int(address, 16) for address in found]
    return min(addresses), max(addresses) + 0x1000


def under(start, end):
    """Only allocations with a function of this range among their callers fail."""
    setting("require-start", hex(start))
    setting("require-end", hex(end))


def everywhere():
    """All allocations may fail, but not those that watch the others: these have a reserve."""
    under(0, 2**64 - 1)
    setting("stacktrace-depth", 32)
    if os.path.exists(f"{DEBUG}/kmemleak"):
        start, end = function("__alloc_object")
        setting("reject-start", hex(start))
        setting("reject-end", hex(end))


class Fault:
    """The Nth allocation inside of "with" fails, if there are so many."""

    def __init__(self, nth):
        self.nth = nth
        self.injected = False
        self.fd = os.open("/proc/thread-self/fail-nth", os.O_RDWR)

    def __enter__(self):
        os.pwrite(self.fd, self.nth, 0)
        return self

    def __exit__(self, *exception):
        left = os.pread(self.fd, 16, 0)
        os.pwrite(self.fd, b"0", 0)
        self.injected |= int(left) == 0

    def close(self):
        """No more of it."""
        os.close(self.fd)


# What came of an operation whose answer was lost.
LOST = "lost"


class Faulty(Rtnl):
    """A socket whose next request is handled by a kernel that lacks memory."""

    fault = None

    def send(self, message):
        fault, self.fault = self.fault, None
        if not fault:
            super().send(message)
            return
        self.sock.setblocking(False)
        with fault:
            self.sock.send(message)

    def attempt(self, fault, method, *arguments, **options):
        """Calls a method with a fault in its request; 0, the error, or LOST."""
        self.fault = fault
        try:
            return getattr(self, method)(*arguments, **options).error
        except BlockingIOError:
            return LOST
        except OSError as error:
            # Whether it is the request or the answer that was not sent is not told.
            expect(error.errno in NO_MEMORY, f"{method}: {error}")
            return LOST
        finally:
            self.drain()

    def drain(self):
        """Forgets answers that nobody waits for any more."""
        self.sock.setblocking(False)
        try:
            while True:
                try:
                    self.sock.recv(65536)
                except BlockingIOError:
                    return
                except OSError:
                    pass
        finally:
            self.sock.settimeout(20)


results = collections.Counter()


def note(result, errors=frozenset(NO_MEMORY)):
    """Counts what came of an attempt. An error has to say that there is no memory."""
    if result not in (0, LOST):
        expect(result in errors, f"the error is {Rtnl.name(result)}")
    results["refused" if result not in (0, LOST) else "answer lost" if result == LOST else "done all the same"] += 1
    return result


def walk(attempt):
    """Makes attempts with later and later faults, until there is none."""
    injected = 0
    for nth in range(1, TOO_MANY):
        fault = Fault(str(nth).encode())
        try:
            attempt(fault)
        except Wrong as wrong:
            raise Wrong(f"allocation {nth}{'' if fault.injected else ', which there was not'}: {wrong}") from wrong
        fault.close()
        if not fault.injected:
            break
        injected += 1
    else:
        raise Wrong("it does not come to an end")
    expect(injected, "no allocation has failed")
    print(f"{injected} allocations failed: " + ", ".join(f"{what} {count}" for what, count in results.items()))


def names():
    """The devices of the namespace."""
    return {name for _, name in socket.if_nameindex()}


################################################################################
# Devices

def data_of(what):
    """IFLA_INFO_DATA of a device."""
    return {"static": lambda: [attr(IFLA_XFRM_IF_ID, 5), attr(IFLA_XFRM_LINK, ifindex("under"))],
            "other": lambda: [attr(IFLA_XFRM_IF_ID, 5)],
            "external": lambda: [attr(IFLA_XFRM_COLLECT_METADATA)]}[what]()


def looks_like(socket_, name, what):
    """Whether the kernel says of a device what it should."""
    _, info = socket_.link_get(name)
    return info is not None and (IFLA_XFRM_COLLECT_METADATA in info) == (what == "external") and \
        u32(info[IFLA_XFRM_IF_ID]) == (0 if what == "external" else 5)


def create(what, link_netns=""):
    """A device is created."""
    faulty, good = Faulty(), Rtnl()
    extra = b""
    if link_netns:
        with open(f"/run/netns/{link_netns}", "rb") as file:
            expect(good.namespace_id(file.fileno(), 77).error in (0, errno.EEXIST), "the namespace has no number")
        extra = attr(IFLA_LINK_NETNSID, 77)
    before = names()
    data = data_of(what)

    def attempt(fault):
        answer = faulty.attempt(fault, "link_new", "x", data, extra=extra)
        if fault.injected:
            # Of one for whose name there is no memory, the kernel's driver core says that it has
            # none.
            note(answer, NO_MEMORY | {errno.EINVAL})
        there = "x" in names()
        expect(answer == LOST or there == (answer == 0), f"the answer is {answer}, the device is there: {there}")
        if not there:
            expect(names() == before, f"devices are left: {names() - before}")
            again = good.link_new("x", data, extra=extra)
            expect(again.error == 0, f"then it is refused: {Rtnl.name(again.error)} {again.message}")
        expect(looks_like(good, "x", what), "the device is not what was asked for")
        # What the packets are told by.
        expect(good.link_new("y", data, extra=extra).error == errno.EEXIST, "its if_id is free")
        expect(good.link_del("x").error == 0 and names() == before, "it can't be deleted")

    walk(attempt)


def delete(what):
    """A device is deleted."""
    faulty, good = Faulty(), Rtnl()
    before = names()
    data = data_of(what)

    def attempt(fault):
        expect(good.link_new("x", data).error == 0, "it can't be created")
        good.link_up("x")
        answer = faulty.attempt(fault, "link_del", "x")
        if fault.injected:
            note(answer)
        there = "x" in names()
        expect(answer == LOST or there == (answer != 0), f"the answer is {answer}, the device is there: {there}")
        if there:
            expect(good.link_del("x").error == 0, "then it can't be deleted")
        expect(names() == before, "it is not gone")

    walk(attempt)


def change():
    """A device is given another if_id."""
    faulty, good = Faulty(), Rtnl()
    expect(good.link_new("x", [attr(IFLA_XFRM_IF_ID, 5)]).error == 0, "it can't be created")
    good.link_up("x")

    def if_id():
        return u32(good.link_get("x")[1][IFLA_XFRM_IF_ID])

    def attempt(fault):
        answer = faulty.attempt(fault, "link_change", "x", [attr(IFLA_XFRM_IF_ID, 6)])
        if fault.injected:
            note(answer)
        now = if_id()
        expect(answer == LOST or now == (6 if answer == 0 else 5), f"the answer is {answer}, the if_id {now}")
        # The other one is free, and this one is not.
        expect(good.link_new("y", [attr(IFLA_XFRM_IF_ID, now)]).error == errno.EEXIST, "its if_id is free")
        expect(good.link_new("y", [attr(IFLA_XFRM_IF_ID, 11 - now)]).error == 0, "the other if_id is taken")
        good.link_del("y")
        if now == 5:
            expect(good.link_change("x", [attr(IFLA_XFRM_IF_ID, 6)]).error == 0, "then it can't be changed")
        expect(good.link_change("x", [attr(IFLA_XFRM_IF_ID, 5)]).error == 0 and if_id() == 5, "it can't be changed back")

    try:
        walk(attempt)
    finally:
        good.link_del("x")


def get(what, dump=""):
    """A device is looked at."""
    faulty, good = Faulty(), Rtnl()
    expect(good.link_new("x", data_of(what)).error == 0, "it can't be created")

    def look():
        if not dump:
            return looks_like(faulty, "x", what)
        bodies = faulty.dump(RTM_GETLINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0))
        return any(rtnl.attrs(body[16:]).get(rtnl.IFLA_IFNAME) == b"x\0" for body in bodies)

    def attempt(fault):
        faulty.fault = fault
        try:
            seen = look()
        except OSError as error:
            expect(error.errno in NO_MEMORY | {errno.EAGAIN}, f"the error is {error}")
            seen = False
        finally:
            faulty.drain()
        if fault.injected:
            results["seen" if seen else "not seen"] += 1
        expect(look(), "it is not seen afterwards")

    try:
        walk(attempt)
    finally:
        good.link_del("x")


################################################################################
# Routes

ROUTE = {"4": "10.9.0.1", "6": "fd00:9::1"}
FAMILY = {"4": socket.AF_INET, "6": socket.AF_INET6}


def encap(if_id):
    """RTA_ENCAP of a route."""
    return [attr(LWT_XFRM_IF_ID, if_id), attr(LWT_XFRM_LINK, ifindex("under"))]


def route(what, family):
    """A route with an encapsulation is added, replaced, deleted or dumped."""
    faulty, good = Faulty(), Rtnl()
    address = ROUTE[family]
    expect(good.link_new("x", data_of("external")).error == 0 and good.link_up("x").error == 0, "there is no device")
    index = ifindex("x")

    def there():
        return good.routes(FAMILY[family]).get(address)

    def add(socket_, if_id, flags=NLM_F_CREATE | NLM_F_EXCL):
        return socket_.route_new(address, index, encap(if_id), flags=flags).error

    def attempt(fault):
        before = 5 if what != "add" else None
        wanted = {"add": 5, "replace": 6, "delete": None, "dump": 5}[what]
        if before:
            expect(add(good, before) == 0 and there() == before, "the route can't be added")
        if what == "dump":
            faulty.fault = fault
            try:
                answer = 0 if faulty.routes(FAMILY[family]).get(address) == 5 else LOST
            except OSError as error:
                answer = error.errno if error.errno != errno.EAGAIN else LOST
            finally:
                faulty.drain()
        elif what == "delete":
            answer = faulty.attempt(fault, "route_new", address, index, encap(5), kind=RTM_DELROUTE)
        else:
            flags = NLM_F_CREATE | (NLM_F_EXCL if what == "add" else NLM_F_REPLACE)
            answer = faulty.attempt(fault, "route_new", address, index, encap(wanted), flags=flags)
        if fault.injected:
            note(answer)
        now = there()
        expect(now in (before, wanted), f"the route has if_id {now}")
        expect(answer == LOST or now == (wanted if answer == 0 else before), f"the answer is {answer}, the if_id {now}")
        if now != wanted:
            again = good.route_new(address, index, encap(5), kind=RTM_DELROUTE).error if what == "delete" else \
                add(good, wanted, NLM_F_CREATE | NLM_F_REPLACE)
            expect(again == 0 and there() == wanted, f"then it is refused: {Rtnl.name(again)}")
        if wanted:
            expect(good.route_new(address, index, encap(wanted), kind=RTM_DELROUTE).error == 0, "it can't be deleted")
        expect(there() is None, "it is not gone")

    try:
        walk(attempt)
    finally:
        good.link_del("x")


################################################################################
# The module, and namespaces

def module_is_there(name):
    """Whether the module is loaded."""
    with open("/proc/modules", encoding="ascii") as file:
        return any(line.split()[0] == name and "Live" in line for line in file)


def module_call(number, *arguments):
    """One system call; 0 or the error."""
    return ctypes.get_errno() if libc.syscall(number, *arguments) else 0


def unload(name):
    """Unloads a module that is used for a moment more."""
    for _ in range(200):
        error = module_call(SYS_DELETE_MODULE, name.encode(), os.O_NONBLOCK)
        if error != errno.EAGAIN and error != errno.EBUSY:
            break
        time.sleep(0.05)
    expect(error == 0, f"the module can't be unloaded: {Rtnl.name(error)}")


def load(path, name):
    """The module is loaded: its own allocations, and those made for it."""
    unload(name)
    under(*function("do_one_initcall"))
    with open(path, "rb") as file:
        def attempt(fault):
            with fault:
                error = module_call(SYS_FINIT_MODULE, file.fileno(), b"", 0)
            if fault.injected:
                note(error)
            expect(module_is_there(name) == (error == 0), f"the error is {Rtnl.name(error)}")
            if error == 0:
                unload(name)
        walk(attempt)
        expect(module_call(SYS_FINIT_MODULE, file.fileno(), b"", 0) == 0, "it can't be loaded any more")


def unload_devices(path, name):
    """The module is unloaded with devices that are there."""
    good = Rtnl()
    before = names()
    with open(path, "rb") as file:
        def attempt(fault):
            if not module_is_there(name):
                expect(module_call(SYS_FINIT_MODULE, file.fileno(), b"", 0) == 0, "it can't be loaded any more")
            for device, what in ("x", "static"), ("y", "external"):
                expect(good.link_new(device, data_of(what)).error == 0, "there is no device")
                good.link_up(device)
            with fault:
                error = module_call(SYS_DELETE_MODULE, name.encode(), os.O_NONBLOCK)
            if fault.injected:
                note(error)
            expect(module_is_there(name) == (error != 0), f"the error is {Rtnl.name(error)}")
            if error:
                unload(name)
            expect(names() == before, "devices are left")
        walk(attempt)
        expect(module_call(SYS_FINIT_MODULE, file.fileno(), b"", 0) == 0, "it can't be loaded any more")


def namespace(name):
    """A namespace is created: what the module needs in it."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    under(*module_text(name))

    def works():
        fresh = Rtnl()
        expect(fresh.link_new("x", [attr(IFLA_XFRM_IF_ID, 5)]).error == 0, "there is no device in the namespace")

    def attempt(fault):
        error = 0
        with fault:
            try:
                os.unshare(os.CLONE_NEWNET)
            except OSError as refused:
                error = refused.errno
        if fault.injected:
            note(error)
        if error == 0:
            works()
            os.setns(home, os.CLONE_NEWNET)

    walk(attempt)


def namespace_goes(_name):
    """A namespace goes, with devices and routes in it: in a kernel thread, so by the space that it may use."""
    good = Rtnl()
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    under(*function("cleanup_net"))
    number = injected = 0
    while True:
        os.unshare(os.CLONE_NEWNET)
        inner = Rtnl()
        inner_fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        inner.link_new("x", [attr(IFLA_XFRM_IF_ID, 5)])
        inner.link_new("e", data_of("external"))
        for device in "x", "e":
            inner.link_up(device)
        for address in ROUTE.values():
            expect(inner.route_new(address, ifindex("e"), [attr(LWT_XFRM_IF_ID, 5)]).error == 0, "there is no route")
        os.setns(home, os.CLONE_NEWNET)
        expect(good.namespace_id(inner_fd, 100 + number).error == 0, "the namespace has no number")
        # It is gone when this one is, because its link namespace is the other.
        expect(good.link_new("z", [attr(IFLA_XFRM_IF_ID, 6)],
                             extra=attr(IFLA_LINK_NETNSID, 100 + number)).error == 0, "there is no device for it")
        by_space(number * 512)
        inner.sock.close()
        os.close(inner_fd)
        wait_for(lambda: "z" not in names(), "the namespace does not go")
        time.sleep(0.1)
        if not stop_by_space():
            break
        injected += 1
        number += 1
        expect(number < 400, "it does not come to an end")
    expect(injected, "no allocation has failed")
    print(f"{injected} allocations failed")


################################################################################
# By the space that may be used, for what is not done by this thread

def by_space(space):
    """The allocation fails that comes after so many bytes."""
    setting("task-filter", "N")
    setting("interval", 1)
    setting("space", space)
    setting("times", 1)
    setting("probability", 100)


def stop_by_space():
    """Ends this; how many have failed."""
    setting("probability", 0)
    failed = 0
    for kind in CLASSES:
        with open(f"{DEBUG}/{kind}/times", encoding="ascii") as file:
            failed += int(file.read()) == 0
    return failed


def wait_for(condition, text, seconds=20):
    """Waits until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, text)
        time.sleep(0.01)


################################################################################
# Packets

ADDRESS = {"4": "10.1.0.2", "6": "fd00:1::2"}
PORT = 9

# What a BPF program marks packets with that have no metadata.
NO_METADATA = 0xdead


class Counters:
    """What a namespace counts of packets that are lost."""

    SNMP = re.compile(r"(Discards|Errors|NoRoutes|Fails|OutOfMemory|NoMem)")

    def __init__(self):
        # pylint: disable=consider-using-with
        self.files = {name: open(f"/proc/thread-self/net/{name}", encoding="ascii")
                      for name in ("dev", "xfrm_stat", "snmp", "snmp6", "softnet_stat")}

    def packets(self, name):
        """How many packets a device has received."""
        self.files["dev"].seek(0)
        return int(re.search(rf"^ *{name}: *[0-9]+ +([0-9]+)", self.files["dev"].read(), re.MULTILINE)[1])

    def read(self):
        """The counters that are not zero."""
        found = {}
        for name, file in self.files.items():
            file.seek(0)
            lines = file.read().splitlines()
            if name == "dev":
                for line in lines[2:]:
                    device, values = line.split(":")
                    values = [int(value) for value in values.split()]
                    found[f"rx {device.strip()}"] = values[2] + values[3]
                    found[f"tx {device.strip()}"] = values[10] + values[11] + values[14]
            elif name == "snmp":
                for titles, values in zip(lines[::2], lines[1::2]):
                    for title, value in zip(titles.split()[1:], values.split()[1:]):
                        if self.SNMP.search(title):
                            found[titles.split()[0] + title] = int(value)
            elif name == "softnet_stat":
                found["backlog"] = sum(int(line.split()[1], 16) for line in lines)
            else:
                for line in lines:
                    title, value = line.split()
                    if name == "xfrm_stat" or self.SNMP.search(title):
                        found[title] = int(value)
        return found


class Traffic:
    """Datagrams from this namespace, a gateway's, to the other gateway."""

    def __init__(self, peer, family):
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.family = family
        self.here = Counters()
        with open(f"/run/netns/{peer}", "rb") as file:
            os.setns(file.fileno(), os.CLONE_NEWNET)
        self.there = Counters()
        self.receiver = socket.socket(FAMILY[family], socket.SOCK_DGRAM)
        self.receiver.bind((ADDRESS[family], PORT))
        self.receiver.setsockopt(socket.SOL_SOCKET, SO_RCVMARK, 1)
        os.setns(home, os.CLONE_NEWNET)
        self.sender = None
        self.number = 0

    def new_flow(self):
        """From here on, packets belong to a flow that nobody has seen."""
        if self.sender:
            self.sender.close()
        self.sender = socket.socket(FAMILY[self.family], socket.SOCK_DGRAM)
        self.sender.setblocking(False)

    def lost(self):
        """What is counted as lost, on both sides."""
        return {f"{side} {name}": value for side, counters in (("here", self.here), ("there", self.there))
                for name, value in counters.read().items()}

    def send(self, fault=None, size=64, segments=1):
        """Sends datagrams in one packet; how many arrive, and what was counted."""
        before, through = self.lost(), self.there.packets("ipsec")
        self.number += 1
        payload = struct.pack("=I", self.number) + bytes(size - 4)
        self.sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size if segments > 1 else 0)
        data, to = payload * segments, (ADDRESS[self.family], PORT)
        counted = {}
        try:
            if fault:
                with fault:
                    self.sender.sendto(data, to)
            else:
                self.sender.sendto(data, to)
        except OSError as error:
            # It never got as far as the driver, which the sender hears nothing of. Which error that
            # is, is the socket's affair: IPv6 has several for lack of memory.
            counted[f"sendto {Rtnl.name(error.errno)}"] = 1
        arrived = 0
        end = time.monotonic() + 3
        self.receiver.settimeout(0.2)
        while arrived < segments and time.monotonic() < end:
            try:
                got, ancillary, _, _ = self.receiver.recvmsg(65536, 64)
                if got[:4] == payload[:4]:
                    arrived += 1
                marks = [u32(value) for level, kind, value in ancillary if (level, kind) == (socket.SOL_SOCKET, SO_MARK)]
                expect(NO_METADATA not in marks, "a datagram arrived without metadata")
            except socket.timeout:
                after = self.lost()
                counted |= {name: value - before.get(name, 0) for name, value in after.items()
                            if value > before.get(name, 0)}
                if counted:
                    break
        through = self.there.packets("ipsec") - through
        # Segments may have been put together again.
        expect(through >= (arrived if segments == 1 else bool(arrived)),
               f"{arrived} datagrams arrived, {through} of them through the device")
        expect(arrived == segments or counted, f"of {segments} datagrams {segments - arrived} were lost without a trace")
        return arrived, counted


def outcome(arrived, wanted, counted):
    """Counts what became of a packet."""
    if arrived == wanted:
        results["arrived"] += 1
    else:
        for name in counted:
            results[f"lost ({name})"] += 1


def transmit(peer, family, kind, which, size="64", segments="1"):
    """A packet is sent: the first one of a flow, a later one, or one through a new device."""
    traffic = Traffic(peer, family)
    size, segments = int(size), int(segments)
    good = Rtnl()
    traffic.new_flow()

    def attempt(fault):
        if which == "new-device":
            good.link_del("ipsec")
            expect(good.link_new("ipsec", data_of(kind)).error == 0 and good.link_up("ipsec").error == 0,
                   "there is no device")
            expect(good.route_new(ADDRESS[family], ifindex("ipsec"),
                                  encap(5) if kind == "external" else None).error == 0, "there is no route")
        if which != "later":
            traffic.new_flow()
        else:
            expect(traffic.send(size=size, segments=segments)[0] == segments, "nothing arrives before the fault")
        arrived, counted = traffic.send(fault, size, segments)
        if fault.injected:
            outcome(arrived, segments, counted)
        expect(traffic.send(size=size, segments=segments)[0] == segments, "nothing arrives after the fault")

    walk(attempt)


def transmit_program(peer, family):
    """A packet whose connection a BPF program sets."""
    traffic = Traffic(peer, family)
    traffic.new_flow()
    traffic.sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 5)

    def attempt(fault):
        arrived, counted = traffic.send(fault)
        if fault.injected:
            outcome(arrived, 1, counted)
        expect(traffic.send()[0] == 1, "nothing arrives after the fault")

    walk(attempt)


def receive(peer, family, module, which, size="64"):
    """A packet is received, by the module: in softirq context, so by the space that it may use. This side
    sends without the module."""
    traffic = Traffic(peer, family)
    under(*module_text(module))
    space = injected = 0
    while True:
        expect(space < 1 << 18, "it does not come to an end")
        if which == "first":
            # What is known of its connection is forgotten.
            time.sleep(2.5)
        traffic.new_flow()
        if which == "later":
            expect(traffic.send(size=int(size))[0] == 1, "nothing arrives before the fault")
        by_space(space)
        arrived, counted = traffic.send(size=int(size))
        failed = stop_by_space()
        if failed:
            outcome(arrived, 1, counted)
        expect(traffic.send(size=int(size))[0] == 1, "nothing arrives after the fault")
        if not failed:
            break
        injected += failed
        space += 256 if which == "first" else 64
    expect(injected, "no allocation has failed")
    print(f"{injected} allocations failed: " + ", ".join(f"{what} {count}" for what, count in results.items()))


OPERATIONS = {"create": create, "delete": delete, "change": change, "get": get, "route": route, "load": load,
              "unload": unload_devices, "namespace": namespace, "namespace-goes": namespace_goes,
              "transmit": transmit, "transmit-program": transmit_program, "receive": receive}


def main(netns, operation, *arguments):
    """Does what the first lines of this file say."""
    with open(f"/run/netns/{netns}", "rb") as file:
        os.setns(file.fileno(), os.CLONE_NEWNET)
    # Memory of this process should not be what is lacking.
    libc.mlockall(MCL_CURRENT | MCL_FUTURE)
    setting("probability", 0)
    setting("verbose", 0)
    setting("times", -1)
    setting("interval", 1)
    setting("space", 0)
    setting("task-filter", "N")
    setting("ignore-gfp-wait", "N")
    setting("ignore-gfp-highmem", "N", ["fail_page_alloc"])
    setting("min-order", 0, ["fail_page_alloc"])
    try:
        everywhere()
        OPERATIONS[operation](*arguments)
    except Wrong as wrong:
        print(wrong)
        return 1
    finally:
        setting("probability", 0)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
