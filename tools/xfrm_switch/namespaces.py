# SPDX-License-Identifier: GPL-2.0
"""Network namespaces: finding all of them, being in one, and what is seen from there."""

import contextlib
import ctypes
import functools
import os
import re
import socket
import struct
import tempfile

from . import netlink
from .netlink import attr, attrs

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_REC, MS_PRIVATE, MNT_DETACH = 0x4000, 0x40000, 2
SO_NETNS_COOKIE = 71
NETNSA_NSID, NETNSA_FD = 1, 3
IFLA_TARGET_NETNSID = 46
SYS_LISTNS, FD_NSFS_ROOT, FILEID_NSFS = 470, -10003, 0xF1

libc = ctypes.CDLL(None, use_errno=True)


def _call(function, *arguments):
    result = function(*arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def setns(fd):
    """Enters the network namespace that the descriptor is for."""
    _call(libc.setns, fd, CLONE_NEWNET)


class Netns:
    """A network namespace, held by a descriptor, with a netlink socket of its own."""
    def __init__(self, fd, name):
        self.fd, self.name = fd, name
        with self:
            self.rtnl = netlink.Netlink()
            self.inet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            # Unlike the inode's number, this is never given to another.
            self.cookie = struct.unpack("=Q",
                                        self.inet.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE,
                                                             8))[0]
        self.sysfs = None

    def __enter__(self):
        setns(self.fd)

    def __exit__(self, *exception):
        setns(Netns.home)

    def mount_sysfs(self):
        """Makes the devices' files of this namespace readable at self.sysfs."""
        if self.sysfs is None:
            path = tempfile.mkdtemp(dir=f"{RUN}/sys")
            with self:
                _call(libc.mount, b"sysfs", path.encode(), b"sysfs", 0, None)
            self.sysfs = path

    def close(self):
        """Lets it go."""
        self.rtnl.sock.close()
        self.inet.close()
        os.close(self.fd)


RUN = "/run/xfrm-interface-switch"


def private_mounts():
    """What is mounted from here on, nobody else sees, and it goes with this process."""
    _call(libc.unshare, CLONE_NEWNS)
    _call(libc.mount, b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    os.makedirs(f"{RUN}/sys", mode=0o700, exist_ok=True)
    _call(libc.mount, b"tmpfs", f"{RUN}/sys".encode(), b"tmpfs", 0, None)


def new_netns(name):
    """A namespace without anything in it, which goes when it is closed."""
    _call(libc.unshare, CLONE_NEWNET)
    try:
        return Netns(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), name)
    finally:
        setns(Netns.home)


def _listed():
    """Where the kernel lists namespaces itself (6.19), descriptors of those."""
    request = bytearray(struct.pack("=IIQIIQ", 32, 0, 0, CLONE_NEWNET, 0, 0))
    ids = (ctypes.c_uint64 * 512)()
    while True:
        count = libc.syscall(SYS_LISTNS, (ctypes.c_char * 32).from_buffer(request), ids,
                             ctypes.c_size_t(len(ids)), 0)
        if count <= 0:
            return
        for ns_id in ids[:count]:
            handle = ctypes.create_string_buffer(
                struct.pack("=IiQII", 16, FILEID_NSFS, ns_id, 0, 0), 24)
            fd = libc.open_by_handle_at(FD_NSFS_ROOT, handle, os.O_RDONLY | os.O_CLOEXEC)
            if fd >= 0:
                yield fd, f"number {ns_id}"
        struct.pack_into("=Q", request, 8, ids[count - 1])


def _mounted():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields = line.split()
            if fields[3].startswith("net:["):
                path = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
                yield path, os.path.basename(path)


def _of_processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                yield f"/proc/{pid}/task/{task}/ns/net", f"of process {pid}"
            for fd in os.listdir(f"/proc/{pid}/fd"):
                path = f"/proc/{pid}/fd/{fd}"
                with contextlib.suppress(OSError):
                    if os.readlink(path).startswith("net:["):
                        yield path, f"of process {pid}"


def find():
    """All network namespaces that anybody can enter: those with names, of processes, those that
    somebody has open or mounted, and what else the kernel lists. The first is our own."""
    found = {}

    def seen(fd, name):
        about = os.fstat(fd)
        if (about.st_dev, about.st_ino) in found:
            os.close(fd)
        else:
            found[about.st_dev, about.st_ino] = Netns(fd, name)

    Netns.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    seen(os.dup(Netns.home), "this one")
    for paths in (_mounted(), _of_processes()):
        for path, name in paths:
            # A process may have ended meanwhile.
            with contextlib.suppress(OSError):
                seen(os.open(path, os.O_RDONLY | os.O_CLOEXEC), name)
    for fd, name in _listed():
        with contextlib.suppress(OSError):
            seen(fd, name)
    return list(found.values())


@functools.lru_cache(maxsize=None)
def nsid_of(netns, other):
    """The number that a namespace has for another; -1 if it has none."""
    answer = netns.rtnl.ask(netlink.RTM_GETNSID, bytes(4) + attr(NETNSA_FD, other.fd))
    return struct.unpack("=i", attrs(answer[4:])[NETNSA_NSID])[0]


def hidden(netns, spaces):
    """Dumps of links of namespaces that are known to this one by a number only: nobody can enter
    them, because nothing but sockets or devices is there. Each with its number."""
    numbers = {
        struct.unpack("=i",
                      attrs(body[4:])[NETNSA_NSID])[0]
        for body in netns.rtnl.dump(netlink.RTM_GETNSID, bytes(4))
    }
    if numbers:
        numbers -= {nsid_of(netns, other) for other in spaces}
    for number in numbers:
        with contextlib.suppress(OSError):
            yield number, netns.rtnl.dump(netlink.RTM_GETLINK,
                                          bytes(16) + attr(IFLA_TARGET_NETNSID, number))
