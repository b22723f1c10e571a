# SPDX-License-Identifier: GPL-2.0
"""Sends datagrams through a tunnel while a device on their way is changed again and again.

    changelink.py FROM TO CHANGED PACKETS REQUESTS CHANGE...

FROM and TO are the namespaces of the sender and of the receiver (10.1.0.2), CHANGED that of the
device "ipsec". A CHANGE is what one request asks for: "IF_ID@LINK", "IF_ID" or "nothing". They are
made in turn until there have been that many PACKETS and REQUESTS.

Prints what happened, as NAME=VALUE: datagrams sent and received, requests made and refused, and how
many packets full queues have dropped: those in front of the protocols (backlog, which all
namespaces share) and the receiver's own (buffer).
"""

# pylint: disable=wrong-import-position
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from rtnl import attr, ifindex, Rtnl, IFLA_XFRM_IF_ID, IFLA_XFRM_LINK

# So few are on their way at once that no queue gets full.
WINDOW = 64
# How long to wait, in seconds, for a datagram before the next ones are sent, and at the end.
PATIENCE, END = 0.1, 2
# Too many losses are no longer worth the time.
ENOUGH_LOST = 1000
TIME_LIMIT = 60

PORT = 9

# Python has no name for it.
SO_RCVBUFFORCE = 33


def enter(namespace):
    """From here on, sockets are made in that namespace."""
    fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    os.setns(fd, os.CLONE_NEWNET)
    os.close(fd)


class Changer:
    """A process that changes the device, and counts in memory that it shares with its parent."""

    def __init__(self, namespace, changes):
        self.shared = mmap.mmap(-1, mmap.PAGESIZE)
        self.pid = os.fork()
        if self.pid:
            return
        try:
            enter(namespace)
            self.run([self.attributes(change) for change in changes])
        finally:
            os._exit(1)

    @staticmethod
    def attributes(change):
        """The content of IFLA_INFO_DATA."""
        if change == "nothing":
            return []
        if_id, _, link = change.partition("@")
        return ([attr(IFLA_XFRM_LINK, ifindex(link))] if link else []) + \
            [attr(IFLA_XFRM_IF_ID, int(if_id))]

    def run(self, changes):
        """Makes the changes until it is killed."""
        rtnl = Rtnl()
        requests = refused = 0
        while True:
            for change in changes:
                if rtnl.link_change("ipsec", change).error:
                    refused += 1
                requests += 1
                struct.pack_into("=II", self.shared, 0, requests, refused)
                # All namespaces wait for the same lock, and others want it too.
                time.sleep(0.001)

    def counters(self):
        """How many requests there have been, and how many were refused."""
        return struct.unpack_from("=II", self.shared)

    def stop(self):
        """Ends the process. Returns whether it had not ended by itself, for an error."""
        os.kill(self.pid, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(self.pid, 0)[1])


class Traffic:
    """Numbered datagrams from one namespace to another."""

    def __init__(self, source, destination):
        enter(destination)
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.receiver.bind(("10.1.0.2", PORT))
        self.receiver.setblocking(False)
        enter(source)
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sender.connect(("10.1.0.2", PORT))
        # Dropped by the receiver's buffer, counted per namespace.
        enter(destination)
        self.drops = self.queue_drops()
        self.sent = self.given_up = 0
        self.seen = set()

    @staticmethod
    def queue_drops():
        """How many packets have been dropped by backlogs, and by receive buffers."""
        with open("/proc/net/softnet_stat", encoding="ascii") as file:
            backlog = sum(int(line.split()[1], 16) for line in file)
        with open("/proc/net/snmp", encoding="ascii") as file:
            names, values = (line.split() for line in file if line.startswith("Udp: "))
        return backlog, int(dict(zip(names, values))["RcvbufErrors"])

    def lost(self):
        """How many have not arrived."""
        return self.sent - len(self.seen)

    def send(self):
        """Sends some and takes in what arrives of them."""
        for number in range(self.sent, self.sent + WINDOW):
            self.sender.send(number.to_bytes(4, "big"))
        self.sent += WINDOW
        self.receive(self.given_up, PATIENCE)
        # What has not come will not be waited for again.
        self.given_up = self.lost()

    def receive(self, missing, patience):
        """Takes in datagrams until no more than so many are missing, or none has come for a while."""
        while self.lost() > missing:
            try:
                self.seen.add(int.from_bytes(self.receiver.recv(16), "big"))
            except BlockingIOError:
                if not select.select([self.receiver], [], [], patience)[0]:
                    return


def main(source, destination, changed, packets, requests, *changes):
    """Does what the first lines of this file say."""
    traffic = Traffic(source, destination)
    changer = Changer(changed, changes)
    start = time.monotonic()
    try:
        while (traffic.sent < int(packets) or changer.counters()[0] < int(requests)) and \
                traffic.lost() < ENOUGH_LOST and time.monotonic() - start < TIME_LIMIT:
            traffic.send()
    finally:
        changed_all_along = changer.stop()
    made, refused = changer.counters()
    traffic.receive(0, END)
    backlog, buffer = (after - before for before, after in
                       zip(traffic.drops, traffic.queue_drops()))
    print(f"sent={traffic.sent} received={len(traffic.seen)} requests={made} refused={refused} "
          f"backlog={backlog} buffer={buffer} seconds={time.monotonic() - start:.0f}")
    return 0 if changed_all_along else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
