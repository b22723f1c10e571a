/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets for a target, built as layers.h says, and then damaged.
 */
#ifndef FUZZ_PACKETS_GENERATE_H
#define FUZZ_PACKETS_GENERATE_H

#include "packet.h"

/*
 * Where packets are sent: by the wire and by a tap device to the receiver, and by the sender's
 * devices. For those with "gso" in their name there is a struct virtio_net_hdr before the packet,
 * for the sender's before that the protocol.
 */
enum target { FRAME, FRAME_GSO, TAP, EXACT, STATIC, EXTERNAL, METADATA, TARGETS };

/* The addresses of the receiver's devices. */
extern uint8_t to_receiver[6], to_tap[6];

uint32_t before(enum target target);
void generate(struct packet *p, enum target target);

#endif
