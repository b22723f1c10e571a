#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends packets of many flows in turn, each to a port of its own.

usage: flows.py ADDRESS COUNT WARM TURNS FLOOD MARKER

COUNT flows send a packet each in every turn. After WARM turns "counted" is written to the file MARKER, and
TURNS more follow. After each turn, FLOOD flows send one packet and no other, to higher ports or, when those
have been used up, to other addresses.
"""

import socket
import sys

FIRST_PORT = 1024
LAST_PORT = 65535


def flood_flows(address, first_port):
    network = address.rpartition('.')[0]
    host = int(address.rpartition('.')[2])
    while True:
        for port in range(first_port, LAST_PORT + 1):
            yield f'{network}.{host}', port
        host += 1


def main():
    address, marker = sys.argv[1], sys.argv[6]
    count, warm, turns, flood = map(int, sys.argv[2:6])
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    strangers = flood_flows(address, FIRST_PORT + count)

    def turn():
        for port in range(FIRST_PORT, FIRST_PORT + count):
            sender.sendto(b'', (address, port))
        for _ in range(flood):
            sender.sendto(b'', next(strangers))

    for _ in range(warm):
        turn()
    with open(marker, 'w') as file:
        file.write('counted')
    for _ in range(turns):
        turn()


if __name__ == '__main__':
    main()
