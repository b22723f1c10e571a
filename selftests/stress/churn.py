# SPDX-License-Identifier: GPL-2.0
"""Does one kind of thing to xfrm devices and what they need, again and again and at random, until it is
terminated.

    churn.py devices SEED NAMESPACE OTHER NAME...
        devices of these names, which may be moved to OTHER: "ipsec" is an external one, others are static
    churn.py routes SEED NAMESPACE
        routes to the peers (10.1.1.0/28, fd00:1:1::/124) over these
    churn.py namespaces SEED NAMESPACE
        namespaces whose devices have NAMESPACE for link namespace, and the other way round, with traffic
    churn.py xfrm SEED NAMESPACE FILE
        policies and states: the lines of FILE, in the words of "ip -batch", and the reverse of them
    churn.py programs SEED NAMESPACE ingress|egress FILE
        a pinned BPF program on these devices
    churn.py send SEED NAMESPACE 4|6
        datagrams from 10.1.0.1 or fd00:1::1 to the peers
    churn.py receive SEED NAMESPACE 4|6
        takes them in, and answers

It prints "ready" when it begins, and at the end a line for each thing that it has done: its name, how
often that was done, and how often it was refused, because somebody else had been faster.
"""

# pylint: disable=wrong-import-position
import collections
import errno
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from rtnl import attr, ifindex, Rtnl, IFLA_LINK_NETNSID, IFLA_NET_NS_FD, IFLA_XFRM_COLLECT_METADATA, \
    IFLA_XFRM_IF_ID, LWT_XFRM_IF_ID, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, RTM_DELROUTE, RTM_NEWROUTE

# The connections of the gateways, and those of the namespaces that come and go.
IF_IDS, NAMESPACE_IF_IDS = range(1, 7), range(7, 11)
PEERS = {4: [f"10.1.1.{i}" for i in range(1, 15)], 6: [f"fd00:1:1::{i:x}" for i in range(1, 15)]}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
SOURCE = {4: "10.1.0.1", 6: "fd00:1::1"}
DEVICES = ("ipsec", "x1", "x2", "x3", "x4")
PORT = 9

# Others want the processor, and the lock that all requests need, as well.
PAUSE = 0.004


class Tally:
    """What was done, and how often."""

    def __init__(self):
        self.done, self.refused = collections.Counter(), collections.Counter()

    def count(self, what, error):
        """One attempt."""
        (self.refused if error else self.done)[what] += 1

    def print(self):
        """The result."""
        for what in sorted(set(self.done) | set(self.refused)):
            print(what, self.done[what], self.refused[what], flush=True)


tally = Tally()


def enter(namespace):
    """From here on, sockets are made in that namespace. Returns a descriptor for it."""
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    os.setns(fd, os.CLONE_NEWNET)
    return fd


def ready():
    """It begins."""
    print("ready", flush=True)


def pause():
    """Lets others go on."""
    time.sleep(random.random() * 2 * PAUSE)


def static(if_id):
    """What makes a device a static one."""
    return [attr(IFLA_XFRM_IF_ID, if_id)]


def external():
    """What makes a device the external one."""
    return [attr(IFLA_XFRM_COLLECT_METADATA)]


def devices(namespace, other, *names):
    """The devices of a gateway."""
    there = enter(other)
    rtnl_there = Rtnl()
    here = enter(namespace)
    rtnl = Rtnl()
    ready()
    while True:
        name = random.choice(names)
        what = random.choices(["create", "delete", "change", "up", "down", "move", "return"],
                              [40, 4, 20, 60, 4, 6, 15])[0]
        if_id = random.choice(IF_IDS)
        if what == "create":
            answer = rtnl.link_new(name, external() if name == "ipsec" else static(if_id))
        elif what == "delete":
            answer = rtnl.link_del(name)
        elif what == "change":
            answer = rtnl.link_change(name, [] if name == "ipsec" else static(if_id))
        elif what == "up":
            answer = rtnl.link_up(name)
        elif what == "down":
            answer = rtnl.link_down(name)
        elif what == "move":
            answer = rtnl.link_set(name, extra=attr(IFLA_NET_NS_FD, there))
        else:
            answer = random.choice([
                lambda: rtnl_there.link_set(name, extra=attr(IFLA_NET_NS_FD, here)),
                lambda: rtnl_there.link_up(name),
                lambda: rtnl_there.link_del(name)])()
        tally.count(what, answer.error)
        pause()


def routes(namespace):
    """The routes of a gateway."""
    enter(namespace)
    rtnl = Rtnl()
    known = []
    ready()
    while True:
        peer = random.choice(PEERS[random.choice([4, 6])])
        there = [name for _, name in socket.if_nameindex() if name in DEVICES]
        if not there:
            pause()
            continue
        name = "ipsec" if "ipsec" in there and random.random() < 0.5 else random.choice(there)
        what = random.choice(["add", "replace", "replace", "delete"])
        encap = [attr(LWT_XFRM_IF_ID, random.choice(IF_IDS))] if name == "ipsec" else None
        if what == "delete" and known:
            peer, name, encap = known.pop(random.randrange(len(known)))
        try:
            index = ifindex(name)
        except OSError:
            continue
        kind, flags = {"add": (RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL),
                       "replace": (RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE),
                       "delete": (RTM_DELROUTE, 0)}[what]
        answer = rtnl.route_new(peer, index, encap, kind=kind, flags=flags)
        tally.count(f"route_{what}", answer.error)
        if not answer.error and what != "delete":
            known.append((peer, name, encap))
        pause()


def namespaces(namespace):
    """Namespaces that live for a few packets."""
    outer_fd = enter(namespace)
    outer = Rtnl()
    number = 0
    ready()
    while True:
        os.unshare(os.CLONE_NEWNET)
        inner_fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        inner = Rtnl()
        number += 1
        of_outer, of_inner = attr(IFLA_LINK_NETNSID, 1), attr(IFLA_LINK_NETNSID, number)
        inner.namespace_id(outer_fd, 1)
        outer.namespace_id(inner_fd, number)
        inner.link_up("lo")
        if_id = random.choice(NAMESPACE_IF_IDS)
        # One for packets; one that goes because its link namespace does; one that changes sides.
        is_external = random.random() < 0.3
        answer = inner.link_new("x", external() if is_external else static(if_id), extra=of_outer)
        tally.count("namespace_device", answer.error)
        outer.link_new(f"n{os.getpid()}.{number}", external() if number % 2 else static(if_id), extra=of_inner)
        inner.link_new(f"y{os.getpid()}.{number}", static(if_id))
        answer = inner.link_set(f"y{os.getpid()}.{number}", extra=attr(IFLA_NET_NS_FD, outer_fd))
        tally.count("namespace_move", answer.error)
        encap = [attr(LWT_XFRM_IF_ID, if_id)] if is_external else None
        sockets = []
        if not inner.link_up("x").error:
            for family, peers in PEERS.items():
                inner.address_new(SOURCE[family], 1)
                inner.route_new(peers[0], ifindex("x"), encap)
                sockets.append((sender(family), peers[0]))
        for _ in range(random.randrange(40)):
            for sock, peer in sockets:
                send_one(sock, peer, "namespace_send")
        for sock, _ in sockets:
            sock.close()
        if random.random() < 0.3:
            inner.link_del("x")
        inner.sock.close()
        os.close(inner_fd)
        tally.count("namespace", 0)
        pause()


class Batch:
    """A program that reads commands, one a line, and goes on when one fails ("-force -batch -")."""

    def __init__(self, *command):
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([*command, "-force", "-batch", "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, bufsize=1)
        self.given = []
        self.failed = set()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        """Learns which lines have failed."""
        for line in self.process.stderr:
            found = re.match(r"Command failed -:(\d+)", line)
            if found:
                self.failed.add(int(found[1]))

    def do(self, what, line):
        """Gives it a line."""
        self.given.append(what)
        self.process.stdin.write(line + "\n")

    def end(self):
        """Counts what it has done."""
        self.process.stdin.close()
        self.process.wait()
        self.reader.join()
        for number, what in enumerate(self.given, 1):
            tally.count(what, number in self.failed)


def reverse(line):
    """The line that undoes a line of "ip xfrm"."""
    words = line.split()
    option = {word: words[at + 1] for at, word in enumerate(words[:-1])}
    if words[1] == "state":
        return "xfrm state delete src {src} dst {dst} proto {proto} spi {spi}".format(**option)
    # The first source and destination are the selector's.
    selector = " ".join(words[words.index("src"):][:4])
    return f"xfrm policy delete {selector} dir {option['dir']} if_id {option['if_id']}"


def xfrm(namespace, file):
    """Policies and states that go and come back."""
    with open(file, encoding="ascii") as lines:
        lines = [line.strip() for line in lines]
    batch = Batch("ip", "-n", namespace)
    ready()
    try:
        while True:
            line = random.choice(lines)
            kind = line.split()[1]
            batch.do(f"{kind}_delete", reverse(line))
            # Most come back at once, so that packets get through.
            time.sleep(random.random() * 0.02 if random.random() < 0.9 else random.random() * 0.2)
            batch.do(f"{kind}_add", line)
            if kind == "policy" and random.random() < 0.3:
                batch.do("policy_update", line.replace(" add ", " update ", 1))
            time.sleep(random.random() * 0.05)
    finally:
        batch.end()


def programs(namespace, direction, file):
    """Programs that are attached and detached."""
    batch = Batch("tc", "-n", namespace)
    ready()
    try:
        while True:
            dev = random.choice(["ipsec", "ipsec", "x1", "x2"])
            batch.do("qdisc", f"qdisc replace dev {dev} clsact")
            batch.do("attach", f"filter replace dev {dev} {direction} pref 1 handle 1 bpf direct-action "
                     f"object-pinned {file}")
            time.sleep(random.random() * 0.1)
            if random.random() < 0.7:
                batch.do("detach", f"filter delete dev {dev} {direction} pref 1")
            time.sleep(random.random() * 0.05)
    finally:
        batch.end()


def sender(family):
    """A socket to send from."""
    sock = socket.socket(FAMILY[family], socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((SOURCE[family], 0))
    return sock


def send_one(sock, peer, what):
    """One datagram."""
    try:
        sock.sendto(b"x" * random.choice([16, 64, 1200, 3000]), (peer, PORT))
        tally.count(what, 0)
    except OSError as error:
        if error.errno == errno.EBADF:
            raise
        tally.count(what, error)


def send(namespace, family):
    """Bursts of datagrams."""
    family = int(family)
    enter(namespace)
    socks = [sender(family) for _ in range(4)]
    ready()
    while True:
        for _ in range(random.randrange(32)):
            sock = random.choice(socks)
            if random.random() < 0.1:
                # By these, BPF programs choose the connection.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, random.choice(IF_IDS))
            send_one(sock, random.choice(PEERS[family]), f"send_{family}")
        for sock in socks:
            try:
                while sock.recv(4096):
                    tally.count(f"answer_{family}", 0)
            except OSError:
                pass
        time.sleep(random.random() * 0.04)


def receive(namespace, family):
    """What arrives."""
    family = int(family)
    enter(namespace)
    sock = socket.socket(FAMILY[family], socket.SOCK_DGRAM)
    if family == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("", PORT))
    ready()
    while True:
        try:
            data, source = sock.recvfrom(4096)
            tally.count(f"receive_{family}", 0)
            sock.sendto(data, source)
        except OSError:
            pass


class Terminated(BaseException):
    """Somebody has sent SIGTERM."""


def terminate(_signal, _frame):
    """Once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated()


def main(kind, seed, *arguments):
    """Does what the first lines of this file say."""
    random.seed(seed)
    signal.signal(signal.SIGTERM, terminate)
    try:
        {"devices": devices, "routes": routes, "namespaces": namespaces, "xfrm": xfrm, "programs": programs,
         "send": send, "receive": receive}[kind](*arguments)
    except Terminated:
        pass
    tally.print()


if __name__ == "__main__":
    main(*sys.argv[1:])
