#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends packets, and fails unless the kernel says when they got to the queue of their device.

    sched-timestamp.py ADDRESS

The first packets ask for nothing.
"""

import select
import socket
import struct
import sys

SO_TIMESTAMPING = 37
IP_RECVERR = 11
TX_SOFTWARE, SOFTWARE, OPT_ID, TX_SCHED, OPT_TSONLY = 1 << 1, 1 << 4, 1 << 7, 1 << 8, 1 << 11
# struct sock_extended_err; its fields are errno, origin, type, code, pad, info and data.
ERROR = '=IBBBBII'
TIMESTAMPING = 4
SCHED = 1


def stamp(sock):
    """The kind of the next time stamp, or None."""
    if not select.select([sock], [], [], 2)[0]:
        return None
    _, control, _, _ = sock.recvmsg(100, 512, socket.MSG_ERRQUEUE)
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_IP, IP_RECVERR):
            _, origin, _, _, _, info, _ = struct.unpack_from(ERROR, data)
            if origin == TIMESTAMPING:
                return info
    return None


def main():
    """Sends to where nobody answers."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((sys.argv[1], 9))
    for _ in range(3):
        sock.send(b'first')
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING,
                    TX_SCHED | TX_SOFTWARE | SOFTWARE | OPT_ID | OPT_TSONLY)
    for _ in range(2):
        sock.send(b'asks')
        kind = stamp(sock)
        if kind != SCHED:
            sys.exit(f'time stamp of kind {kind}')


if __name__ == '__main__':
    main()
