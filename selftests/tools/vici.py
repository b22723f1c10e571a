#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What charon would answer over vici, for tests with more connections than real IKE has time for.

    vici.py SOCKET

Commands come from standard input, a line each:

    up CONNECTION ID IF_ID SELECTOR...   a CHILD_SA, in an IKE_SA with the same number
    down ID
    rekey ID NEW-ID                      another CHILD_SA in its place, with the same if_id
    rekey-ike ID NEW-ID                  another IKE_SA
    mute                                 nothing is answered or told any more, and the socket stays

Each is answered with "ok" when its events have been sent.
"""

import os
import selectors
import socket
import struct
import sys

SECTION_START, SECTION_END, KEY_VALUE, LIST_START, LIST_ITEM, LIST_END = range(1, 7)
CMD_REQUEST, CMD_RESPONSE, CMD_UNKNOWN, REGISTER, UNREGISTER, CONFIRM, EVENT_UNKNOWN, EVENT = range(8)
EVENTS = {"list-sa", "child-updown", "child-rekey", "ike-updown", "ike-rekey"}


def name(kind, text):
    return bytes([kind, len(text)]) + text.encode()


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


def encode(message):
    out = b""
    for key, value in message.items():
        if isinstance(value, dict):
            out += name(SECTION_START, key) + encode(value) + bytes([SECTION_END])
        elif isinstance(value, list):
            items = b"".join(bytes([LIST_ITEM]) + text(item) for item in value)
            out += name(LIST_START, key) + items + bytes([LIST_END])
        else:
            out += name(KEY_VALUE, key) + text(value)
    return out


class Charon:
    def __init__(self, path):
        self.sas = {}
        self.clients = {}
        self.mute = False
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self.listener.bind(path)
        self.listener.listen()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(sys.stdin, selectors.EVENT_READ)

    def child(self, number):
        sa = self.sas[number]
        return {
            "name": "net", "uniqueid": number, "reqid": "1", "state": "INSTALLED", "mode": "TUNNEL",
            "if-id-in": "%08x" % sa["if_id"], "if-id-out": "%08x" % sa["if_id"],
            "local-ts": ["10.0.2.0/24"], "remote-ts": sa["selectors"],
        }

    def ike(self, number, children):
        sa = self.sas[number]
        return {
            sa["connection"]: {
                "uniqueid": sa["ike"], "version": "2", "state": "ESTABLISHED",
                "remote-host": "192.0.2.1", "remote-id": "peer" + number, "child-sas": children,
            }
        }

    def send(self, client, kind, body=b""):
        packet = bytes([kind]) + body
        try:
            client.sendall(struct.pack(">I", len(packet)) + packet)
        except OSError:
            self.drop(client)

    def tell(self, event, message):
        for client, registered in list(self.clients.items()):
            if event in registered and not self.mute:
                self.send(client, EVENT, bytes([len(event)]) + event.encode() + encode(message))

    def drop(self, client):
        if self.clients.pop(client, None) is not None:
            self.selector.unregister(client)
            client.close()

    def answer(self, client):
        length = client.recv(4, socket.MSG_WAITALL)
        if len(length) < 4:
            self.drop(client)
            return
        packet = client.recv(struct.unpack(">I", length)[0], socket.MSG_WAITALL)
        if self.mute:
            return
        kind, what = packet[0], packet[2:2 + packet[1]].decode()
        if kind == REGISTER:
            self.clients[client].add(what)
            self.send(client, CONFIRM if what in EVENTS else EVENT_UNKNOWN)
        elif kind == UNREGISTER:
            self.clients[client].discard(what)
            self.send(client, CONFIRM)
        elif what == "list-sas":
            for number in self.sas:
                message = encode(self.ike(number, {"net-" + number: self.child(number)}))
                self.send(client, EVENT, bytes([7]) + b"list-sa" + message)
            self.send(client, CMD_RESPONSE)
        else:
            self.send(client, CMD_UNKNOWN)

    def command(self, words):
        number = words[2 if words[0] == "up" else 1] if len(words) > 1 else ""
        if words[0] == "up":
            self.sas[number] = {
                "connection": words[1], "ike": number, "if_id": int(words[3], 0), "selectors": words[4:],
            }
            children = {"net-" + number: self.child(number)}
            self.tell("child-updown", {"up": "yes", **self.ike(number, children)})
        elif words[0] == "down":
            self.tell("child-updown", self.ike(number, {"net-" + number: self.child(number)}))
            del self.sas[number]
        elif words[0] == "rekey":
            new = words[2]
            self.sas[new] = dict(self.sas[number])
            pair = {"old": self.child(number), "new": self.child(new)}
            self.tell("child-rekey", self.ike(number, {"net": pair}))
            del self.sas[number]
        elif words[0] == "rekey-ike":
            sa = self.sas[number]
            pair = {"old": {"uniqueid": sa["ike"]}, "new": {"uniqueid": words[2]}}
            sa["ike"] = words[2]
            self.tell("ike-rekey", {sa["connection"]: pair})
        elif words[0] == "mute":
            self.mute = True
        print("ok", flush=True)

    def run(self):
        # Lines are read without a buffer, or the selector would not know of those in it.
        rest = b""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    client = self.listener.accept()[0]
                    self.clients[client] = set()
                    self.selector.register(client, selectors.EVENT_READ)
                elif key.fileobj is sys.stdin:
                    read = os.read(0, 65536)
                    if not read:
                        return
                    *lines, rest = (rest + read).split(b"\n")
                    for line in lines:
                        self.command(line.decode().split())
                elif key.fileobj in self.clients:
                    self.answer(key.fileobj)


Charon(sys.argv[1]).run()
