#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Requests to XFRM for which iproute2 has no words. Addresses are IPv4, numbers may be hexadecimal.

    xfrm.py state-of-cpu CPU SOURCE DESTINATION SPI REQID IF_ID
        adds an ESP state in tunnel mode for what that CPU sends
    xfrm.py migrate IF_ID REQID SOURCE DESTINATION NEW-SOURCE NEW-DESTINATION
        gives the outgoing policy for everything, and its states, new endpoints
"""

import socket
import struct
import sys

from rtnl import attr, Rtnl, NLM_F_CREATE, NLM_F_EXCL

NETLINK_XFRM = 6
XFRM_MSG_NEWSA, XFRM_MSG_MIGRATE = 0x10, 0x21
XFRMA_MIGRATE, XFRMA_ALG_AEAD, XFRMA_IF_ID, XFRMA_SA_DIR, XFRMA_SA_PCPU = 17, 18, 31, 33, 35
XFRM_MODE_TUNNEL, XFRM_POLICY_OUT, XFRM_SA_DIR_OUT, XFRM_STATE_AF_UNSPEC = 1, 1, 2, 32
XFRM_INF = (1 << 64) - 1

# struct xfrm_selector for everything.
EVERYTHING = struct.pack("=40xH14x", socket.AF_INET)


def address(text):
    """An xfrm_address_t."""
    return socket.inet_aton(text) + bytes(12)


def state_of_cpu(cpu, source, destination, spi, reqid, if_id):
    """XFRM_MSG_NEWSA with a struct xfrm_usersa_info."""
    info = EVERYTHING + address(destination) + struct.pack(">IB3x", int(spi, 0), socket.IPPROTO_ESP) + \
        address(source) + struct.pack("=8Q", *[XFRM_INF] * 4, 0, 0, 0, 0) + bytes(32 + 12) + \
        struct.pack("=IIHBBB7x", 0, int(reqid, 0), socket.AF_INET, XFRM_MODE_TUNNEL, 0, XFRM_STATE_AF_UNSPEC)
    key = bytes(range(20))
    aead = struct.pack("=64sII", b"rfc4106(gcm(aes))", len(key) * 8, 128) + key
    return XFRM_MSG_NEWSA, info + attr(XFRMA_ALG_AEAD, aead) + attr(XFRMA_IF_ID, int(if_id, 0)) + \
        attr(XFRMA_SA_DIR, bytes([XFRM_SA_DIR_OUT])) + attr(XFRMA_SA_PCPU, int(cpu))


def migrate(if_id, reqid, source, destination, new_source, new_destination):
    """XFRM_MSG_MIGRATE with a struct xfrm_userpolicy_id and one of xfrm_user_migrate."""
    policy = EVERYTHING + struct.pack("=IB3x", 0, XFRM_POLICY_OUT)
    change = address(destination) + address(source) + address(new_destination) + address(new_source) + \
        struct.pack("=BBHIHH", socket.IPPROTO_ESP, XFRM_MODE_TUNNEL, 0, int(reqid, 0),
                    socket.AF_INET, socket.AF_INET)
    return XFRM_MSG_MIGRATE, policy + attr(XFRMA_MIGRATE, change) + attr(XFRMA_IF_ID, int(if_id, 0))


def main(command, *arguments):
    """Makes one request."""
    message, body = {"state-of-cpu": state_of_cpu, "migrate": migrate}[command](*arguments)
    answer, _ = Rtnl(protocol=NETLINK_XFRM).request(message, NLM_F_CREATE | NLM_F_EXCL, body)
    if answer.error:
        print(f"{command}: {Rtnl.name(answer.error)} {answer.message}", file=sys.stderr)
    return 1 if answer.error else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
