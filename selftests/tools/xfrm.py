#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Requests to XFRM for which iproute2 has no words. Addresses are IPv4, numbers may be hexadecimal.

    xfrm.py state-of-cpu CPU SOURCE DESTINATION SPI REQID IF_ID
        adds an ESP state in tunnel mode for what that CPU sends
    xfrm.py migrate IF_ID REQID SOURCE DESTINATION NEW-SOURCE NEW-DESTINATION
        gives the outgoing policy for everything, and its states, new endpoints
    xfrm.py migrate-state DESTINATION SPI NEW-SOURCE NEW-DESTINATION NEW-REQID MARK MASK
        gives an ESP state with that mark new endpoints, and leaves all policies as they are
    xfrm.py alternate-if-id DESTINATION SPI IF_ID OTHER-IF_ID SECONDS
        updates an ESP state's if_id to the one and to the other for so long, and prints how often
    xfrm.py policy-for-cpus SOURCE DESTINATION REQID IF_ID
        lets the outgoing policy for everything ask for states that each CPU has of its own
    xfrm.py policy-with-option SOURCE DESTINATION REQID IF_ID
        lets it ask for compression inside of the tunnel, which it can do without
"""

# pylint: disable=wrong-import-position
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from rtnl import attr, Rtnl, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST

NETLINK_XFRM = 6
IPPROTO_COMP = 108
XFRM_MSG_NEWSA, XFRM_MSG_UPDPOLICY, XFRM_MSG_MIGRATE, XFRM_MSG_MIGRATE_STATE = 0x10, 0x19, 0x21, 0x29
XFRM_MSG_UPDSA = 0x1a
XFRMA_ALG_CRYPT, XFRMA_TMPL, XFRMA_MIGRATE, XFRMA_ALG_AEAD, XFRMA_IF_ID, XFRMA_SA_DIR, XFRMA_SA_PCPU = 2, 5, 17, 18, 31, 33, 35
XFRM_MODE_TRANSPORT, XFRM_POLICY_CPU_ACQUIRE = 0, 4
XFRM_MODE_TUNNEL, XFRM_POLICY_OUT, XFRM_SA_DIR_OUT, XFRM_STATE_AF_UNSPEC = 1, 1, 2, 32
XFRM_INF = (1 << 64) - 1

# struct xfrm_selector for everything.
EVERYTHING = struct.pack("=40xH14x", socket.AF_INET)


def address(text):
    """An xfrm_address_t."""
    return socket.inet_aton(text) + bytes(12)


def state(source, destination, spi, reqid):
    """A struct xfrm_usersa_info for ESP in tunnel mode."""
    return EVERYTHING + address(destination) + struct.pack(">IB3x", int(spi, 0), socket.IPPROTO_ESP) + \
        address(source) + struct.pack("=8Q", *[XFRM_INF] * 4, 0, 0, 0, 0) + bytes(32 + 12) + \
        struct.pack("=IIHBBB7x", 0, int(reqid, 0), socket.AF_INET, XFRM_MODE_TUNNEL, 0, XFRM_STATE_AF_UNSPEC)


def state_of_cpu(cpu, source, destination, spi, reqid, if_id):
    """XFRM_MSG_NEWSA with a struct xfrm_usersa_info."""
    key = bytes(range(20))
    aead = struct.pack("=64sII", b"rfc4106(gcm(aes))", len(key) * 8, 128) + key
    return XFRM_MSG_NEWSA, state(source, destination, spi, reqid) + attr(XFRMA_ALG_AEAD, aead) + \
        attr(XFRMA_IF_ID, int(if_id, 0)) + attr(XFRMA_SA_DIR, bytes([XFRM_SA_DIR_OUT])) + \
        attr(XFRMA_SA_PCPU, int(cpu))


def alternate_if_id(destination, spi, if_id, other, seconds):
    """XFRM_MSG_UPDSA, many in a row, so that as little time as can be is between two of them. An update takes
    no key from the request, so that there is one that costs nothing."""
    def update(if_id):
        return state("0.0.0.0", destination, spi, "0") + attr(XFRMA_IF_ID, int(if_id, 0)) + \
            attr(XFRMA_ALG_CRYPT, struct.pack("=64sI", b"ecb(cipher_null)", 0))

    def unanswered(body):
        return struct.pack("=IHHII", 16 + len(body), XFRM_MSG_UPDSA, NLM_F_REQUEST, 0, 0) + body

    xfrm, pairs, changes = Rtnl(protocol=NETLINK_XFRM), 200, 0
    updates = (unanswered(update(other)) + unanswered(update(if_id))) * pairs
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        xfrm.send(updates)
        answer, _ = xfrm.request(XFRM_MSG_UPDSA, 0, update(if_id))
        if answer.error:
            return answer
        changes += 2 * pairs
    print(changes)
    return answer


def migrate(if_id, reqid, source, destination, new_source, new_destination):
    """XFRM_MSG_MIGRATE with a struct xfrm_userpolicy_id and one of xfrm_user_migrate."""
    policy = EVERYTHING + struct.pack("=IB3x", 0, XFRM_POLICY_OUT)
    change = address(destination) + address(source) + address(new_destination) + address(new_source) + \
        struct.pack("=BBHIHH", socket.IPPROTO_ESP, XFRM_MODE_TUNNEL, 0, int(reqid, 0),
                    socket.AF_INET, socket.AF_INET)
    return XFRM_MSG_MIGRATE, policy + attr(XFRMA_MIGRATE, change) + attr(XFRMA_IF_ID, int(if_id, 0))


def migrate_state(destination, spi, new_source, new_destination, reqid, mark, mask):
    """XFRM_MSG_MIGRATE_STATE with a struct xfrm_user_migrate_state."""
    return XFRM_MSG_MIGRATE_STATE, address(destination) + struct.pack(">I", int(spi, 0)) + \
        struct.pack("=HBx", socket.AF_INET, socket.IPPROTO_ESP) + address(new_destination) + \
        address(new_source) + struct.pack("=II", int(mark, 0), int(mask, 0)) + EVERYTHING + \
        struct.pack("=IIHH", int(reqid, 0), 0, socket.AF_INET, 0)


def template(source, destination, protocol, reqid, mode, optional):
    """A struct xfrm_user_tmpl."""
    return address(destination) + struct.pack(">IB3x", 0, protocol) + struct.pack("=H2x", socket.AF_INET) + \
        address(source) + struct.pack("=IBBBxIII", reqid, mode, 0, optional, *[(1 << 32) - 1] * 3)


def policy(flags, templates, if_id):
    """XFRM_MSG_UPDPOLICY with a struct xfrm_userpolicy_info, in the place of one of priority 1000."""
    info = EVERYTHING + struct.pack("=8Q", *[XFRM_INF] * 4, 0, 0, 0, 0) + bytes(32) + \
        struct.pack("=IIBBBB4x", 1000, 0, XFRM_POLICY_OUT, 0, flags, 0)
    return XFRM_MSG_UPDPOLICY, info + attr(XFRMA_TMPL, templates) + attr(XFRMA_IF_ID, int(if_id, 0))


def policy_for_cpus(source, destination, reqid, if_id):
    """A policy with XFRM_POLICY_CPU_ACQUIRE."""
    tunnel = template(source, destination, socket.IPPROTO_ESP, int(reqid, 0), XFRM_MODE_TUNNEL, 0)
    return policy(XFRM_POLICY_CPU_ACQUIRE, tunnel, if_id)


def policy_with_option(source, destination, reqid, if_id):
    """A policy with an optional template."""
    option = template("0.0.0.0", "0.0.0.0", IPPROTO_COMP, 0, XFRM_MODE_TRANSPORT, 1)
    tunnel = template(source, destination, socket.IPPROTO_ESP, int(reqid, 0), XFRM_MODE_TUNNEL, 0)
    return policy(0, option + tunnel, if_id)


def request(command, *arguments):
    """Makes one request."""
    message, body = {"state-of-cpu": state_of_cpu, "migrate": migrate,
                     "migrate-state": migrate_state, "policy-for-cpus": policy_for_cpus,
                     "policy-with-option": policy_with_option}[command](*arguments)
    return Rtnl(protocol=NETLINK_XFRM).request(message, NLM_F_CREATE | NLM_F_EXCL, body)[0]


def main(command, *arguments):
    """Makes one request, or many."""
    if command == "alternate-if-id":
        answer = alternate_if_id(*arguments)
    else:
        answer = request(command, *arguments)
    if answer.error:
        print(f"{command}: {Rtnl.name(answer.error)} {answer.message}", file=sys.stderr)
    return 1 if answer.error else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
