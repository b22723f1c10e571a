# SPDX-License-Identifier: GPL-2.0
"""What of a device is in files, or behind an old system call: sysctls, sysfs, the features and private
flags of ethtool."""

import array
import contextlib
import fcntl
import os
import struct

SYSCTLS = ("net/ipv4/conf", "net/ipv6/conf", "net/ipv4/neigh", "net/ipv6/neigh")
# The mode of the link-local address goes with the link, and writing it here makes an address. Two
# others the kernel complains about: they are there a second time, in milliseconds.
ELSEWHERE = ("addr_gen_mode", "base_reachable_time", "retrans_time")
FILES = ("threaded", "gro_flush_timeout", "napi_defer_hard_irqs")
QUEUES = ("rps_cpus", "rps_flow_cnt", "xps_cpus", "xps_rxqs")
SIOCETHTOOL, ETH_SS_PRIV_FLAGS, ETH_SS_FEATURES = 0x8946, 2, 4
ETHTOOL_GSTRINGS, ETHTOOL_GPFLAGS, ETHTOOL_SPFLAGS, ETH_GSTRING_LEN = 0x1B, 0x27, 0x28, 32
ETHTOOL_GSSET_INFO, ETHTOOL_GFEATURES, ETHTOOL_SFEATURES = 0x37, 0x3A, 0x3B


def read(path):
    """What is in a file; None if it can't be read."""
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def write(path, value):
    """Writes a file; returns what went wrong, as a list."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        return [f"{path} = {value}: {error.strerror}"]
    return []


def sysctls(device):
    """All sysctls of a device of the namespace we are in; "default" is one, too."""
    found = {}
    for directory in SYSCTLS:
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(f"/proc/sys/{directory}/{device}")):
                value = read(
                    f"/proc/sys/{directory}/{device}/{name}") if name not in ELSEWHERE else None
                if value is not None:
                    found[f"{directory}/{name}"] = value
    return found


def sysctl_path(device, key):
    """Where a sysctl of a device is."""
    directory, name = key.rsplit("/", 1)
    return f"/proc/sys/{directory}/{device}/{name}"


def files(sysfs, device):
    """What sysfs has of a device that can be set."""
    base = f"{sysfs}/class/net/{device}"
    names = list(FILES)
    with contextlib.suppress(OSError):
        names += [
            f"queues/{queue}/{name}" for queue in os.listdir(f"{base}/queues") for name in QUEUES
        ]
    return {name: value for name in names if (value := read(f"{base}/{name}")) is not None}


def _ioctl(netns, device, data):
    buffer = array.array("B", data)
    address, _ = buffer.buffer_info()
    fcntl.ioctl(netns.inet, SIOCETHTOOL, struct.pack("16sP16x", os.fsencode(device), address))
    return buffer.tobytes()


def _count(netns, device, strings):
    """How many strings of a kind a device has."""
    data = _ioctl(netns, device, struct.pack("=IIQI", ETHTOOL_GSSET_INFO, 0, 1 << strings, 0))
    return struct.unpack_from("=I", data, 16)[0]


def _blocks(netns, device):
    return (_count(netns, device, ETH_SS_FEATURES) + 31) // 32


def features(netns, device):
    """Which features of a device can be changed, and which somebody wants, as two numbers."""
    try:
        blocks = _blocks(netns, device)
        data = _ioctl(netns, device,
                      struct.pack("=II", ETHTOOL_GFEATURES, blocks) + bytes(16 * blocks))
    except OSError:
        return 0, 0
    available = wanted = 0
    for block in range(blocks):
        can, wants, _, _ = struct.unpack_from("=IIII", data, 8 + 16 * block)
        available |= can << 32 * block
        wanted |= wants << 32 * block
    return available, wanted


def set_features(netns, device, valid, wanted):
    """Sets those features that are in valid; returns what went wrong, as a list."""
    mask = 0xFFFFFFFF
    try:
        blocks = _blocks(netns, device)
        _ioctl(
            netns, device,
            struct.pack("=II", ETHTOOL_SFEATURES, blocks) + b"".join(
                struct.pack("=II", valid >> 32 * n & mask, wanted >> 32 * n & mask)
                for n in range(blocks)))
    except OSError as error:
        return [f"features of {device}: {error.strerror}"]
    return []


def private_flags(netns, device):
    """Whether each private flag of a device is on, by its name. Some drivers have none."""
    try:
        count = _count(netns, device, ETH_SS_PRIV_FLAGS)
        names = _ioctl(
            netns, device,
            struct.pack("=III", ETHTOOL_GSTRINGS, ETH_SS_PRIV_FLAGS, count) +
            bytes(count * ETH_GSTRING_LEN))[12:]
        flags = struct.unpack_from(
            "=I", _ioctl(netns, device, struct.pack("=II", ETHTOOL_GPFLAGS, 0)), 4)[0]
    except OSError:
        return {}
    return {
        names[n * ETH_GSTRING_LEN:(n + 1) * ETH_GSTRING_LEN].rstrip(b"\0").decode():
        bool(flags >> n & 1)
        for n in range(count)
    }


def set_private_flags(netns, device, wanted):
    """Sets those private flags that are in wanted; returns what went wrong, as a list."""
    flags = private_flags(netns, device)
    wrong = [f"{device} has no private flag {name}" for name in wanted if name not in flags]
    flags.update((name, on) for name, on in wanted.items() if name in flags)
    try:
        if flags:
            value = sum(on << n for n, on in enumerate(flags.values()))
            _ioctl(netns, device, struct.pack("=II", ETHTOOL_SPFLAGS, value))
    except OSError as error:
        wrong.append(f"private flags of {device}: {error.strerror}")
    return wrong
