#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends an ICMP error about an IPsec packet that its receiver is said to have sent.

usage: errors.py too-big|redirect esp|ah|comp SPI FROM TO DESTINATION VALUE

The packet went from TO to DESTINATION, through the state with that SPI. VALUE is the MTU of a packet that
was too big, or the router to redirect to.
"""

import ipaddress
import socket
import struct
import sys

PROTOCOLS = {'esp': 50, 'ah': 51, 'comp': 108}


def ipsec_header(protocol, spi):
    if protocol == 'esp':
        return struct.pack('!II', spi, 1)
    if protocol == 'ah':
        return struct.pack('!BBHII', 4, 4, 0, spi, 1)
    return struct.pack('!BBHI', 4, 0, spi, 0)


def checksum(data):
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(what, protocol, payload, source, destination, value):
    packet = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 1, 0x4000, 64, PROTOCOLS[protocol], 0,
                         source.packed, destination.packed) + payload
    if what == 'too-big':
        kind, code, rest = 3, 4, struct.pack('!HH', 0, int(value))
    else:
        kind, code, rest = 5, 1, ipaddress.ip_address(value).packed
    error = struct.pack('!BBH', kind, code, 0) + rest + packet
    return error[:2] + struct.pack('!H', checksum(error)) + error[4:]


def ipv6(protocol, payload, source, destination, value):
    packet = struct.pack('!IHBB16s16s', 0x60000000, len(payload), PROTOCOLS[protocol], 64,
                         source.packed, destination.packed) + payload
    return struct.pack('!BBHI', 2, 0, 0, int(value)) + packet


def main():
    what, protocol, spi, sender, receiver, destination, value = sys.argv[1:]
    # As many bytes as an error has to have at least of the transport header.
    payload = ipsec_header(protocol, int(spi, 0)).ljust(16, b'\0')
    addresses = ipaddress.ip_address(receiver), ipaddress.ip_address(destination)
    if addresses[0].version == 4:
        error = ipv4(what, protocol, payload, *addresses, value)
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    else:
        error = ipv6(protocol, payload, *addresses, value)
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    raw.bind((sender, 0))
    raw.sendto(error, (receiver, 0))


if __name__ == '__main__':
    main()
