#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends an ICMP error about a packet that its receiver is said to have sent.

usage: errors.py too-big|unreachable|redirect esp|ah|comp|ip SPI FROM TO DESTINATION VALUE [options]

The packet went from TO to DESTINATION, through the state with that SPI. "ip" is a packet in a packet, whose
first bytes read as those of ESP. VALUE is the MTU of a packet that was too big, or the router to redirect
to; an error that the destination is unreachable has it where the others have the MTU. With "options", the
packet's IPv4 header has some.
"""

import ipaddress
import socket
import struct
import sys

PROTOCOLS = {'esp': 50, 'ah': 51, 'comp': 108, 'ip': None}
ICMP = {'too-big': (3, 4), 'unreachable': (3, 1), 'redirect': (5, 1)}
ICMPV6 = {'too-big': (2, 0), 'unreachable': (1, 0), 'redirect': (137, 0)}

ND_OPT_REDIRECT_HDR = 4
# IPv4 options that say nothing.
NO_OPERATIONS = b'\1\1\1\0'


def ipsec_header(protocol, spi):
    if protocol == 'ah':
        return struct.pack('!BBHII', 4, 4, 0, spi, 1)
    if protocol == 'comp':
        return struct.pack('!BBHI', 4, 0, spi, 0)
    return struct.pack('!II', spi, 1)


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(what, protocol, payload, source, destination, value, options):
    header = 20 + len(options)
    packet = struct.pack('!BBHHHBBH4s4s', 0x40 | header // 4, 0, header + len(payload), 1, 0x4000, 64,
                         PROTOCOLS[protocol] or socket.IPPROTO_IPIP, 0,
                         source.packed, destination.packed) + options + payload
    if what == 'redirect':
        rest = ipaddress.ip_address(value).packed
    else:
        rest = struct.pack('!HH', 0, int(value))
    error = struct.pack('!BBH', *ICMP[what], 0) + rest + packet
    return error[:2] + struct.pack('!H', checksum(error)) + error[4:]


def ipv6(what, protocol, payload, source, destination, value):
    packet = struct.pack('!IHBB16s16s', 0x60000000, len(payload), PROTOCOLS[protocol] or socket.IPPROTO_IPV6, 64,
                         source.packed, destination.packed) + payload
    header = struct.pack('!BBH', *ICMPV6[what], 0)
    if what != 'redirect':
        return header + struct.pack('!I', int(value)) + packet
    option = struct.pack('!BB6x', ND_OPT_REDIRECT_HDR, (8 + len(packet)) // 8) + packet
    return header + bytes(4) + ipaddress.ip_address(value).packed + destination.packed + option


def main():
    what, protocol, spi, sender, receiver, destination, value, *options = sys.argv[1:]
    # As many bytes as an error has to have at least of the transport header.
    payload = ipsec_header(protocol, int(spi, 0)).ljust(16, b'\0')
    addresses = ipaddress.ip_address(receiver), ipaddress.ip_address(destination)
    if addresses[0].version == 4:
        error = ipv4(what, protocol, payload, *addresses, value, NO_OPERATIONS if options else b'')
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    else:
        error = ipv6(what, protocol, payload, *addresses, value)
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        # Redirects have to come from a neighbour.
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
    raw.bind(socket.getaddrinfo(sender, 0)[0][4])
    raw.sendto(error, (receiver, 0))


if __name__ == '__main__':
    main()
