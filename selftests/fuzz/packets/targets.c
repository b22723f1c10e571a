// SPDX-License-Identifier: GPL-2.0
#include "targets.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

const char *const names[TARGETS] = {
	[FRAME] = "wire", [FRAME_GSO] = "wire-gso", [TAP] = "tap-gso", [EXACT] = "exact",
	[STATIC] = "static-gso", [EXTERNAL] = "external-gso", [METADATA] = "metadata-gso",
};

unsigned long accepted[TARGETS], sent;

static int target_fd[TARGETS], target_index[TARGETS];

/* A frame in pieces, each of which becomes a fragment of its own. */
static void send_tap(const struct packet *p)
{
	struct iovec pieces[16];
	uint32_t at = 0, n, len;

	for (n = 0; n < ARRAY_SIZE(pieces) && at < p->len; n++) {
		/* The kernel wants the Ethernet header in the first. */
		len = n ? 1 + p->bytes[(at * 7) % p->len] % 60 : sizeof(struct virtio_net_hdr) + 14;
		if (n == ARRAY_SIZE(pieces) - 1 || len > p->len - at)
			len = p->len - at;
		pieces[n] = (struct iovec){ (void *)(p->bytes + at), len };
		at += len;
	}
	accepted[TAP] += writev(target_fd[TAP], pieces, n) > 0;
}

void send_packets(struct packet packets[], enum target target, uint32_t count)
{
	struct sockaddr_ll addresses[BATCH] = {};
	struct mmsghdr messages[BATCH] = {};
	struct iovec vectors[BATCH];
	uint32_t i, skip = target >= EXACT ? 2 : 0;
	int got;

	sent += count;
	for (i = 0; i < count; i++) {
		if (target == TAP) {
			send_tap(&packets[i]);
			continue;
		}
		addresses[i] = (struct sockaddr_ll){
			.sll_family = AF_PACKET, .sll_ifindex = target_index[target],
			.sll_protocol = skip ? *(uint16_t *)packets[i].bytes : htons(ETH_P_IP),
		};
		vectors[i] = (struct iovec){ packets[i].bytes + skip, packets[i].len - skip };
		messages[i].msg_hdr = (struct msghdr){
			.msg_iov = &vectors[i], .msg_iovlen = 1, .msg_name = &addresses[i],
			.msg_namelen = sizeof(addresses[i]),
		};
	}
	if (target == TAP)
		return;
	for (i = 0; i < count; i += got) {
		got = sendmmsg(target_fd[target], messages + i, count - i, 0);
		if (got > 0)
			accepted[target] += got;
		else
			got = 1;
	}
}

static int enter(const char *netns)
{
	int fd = netns_open(netns);

	if (setns(fd, CLONE_NEWNET))
		err(1, "setns");
	close(fd);
	return 0;
}

static int index_of(int fd, const char *name)
{
	struct ifreq request = {};

	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFINDEX, &request))
		err(1, "%s", name);
	return request.ifr_ifindex;
}

static void open_packet(enum target target, const char *device, uint32_t mark)
{
	int one = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	target_fd[target] = fd;
	target_index[target] = index_of(fd, device);
	if (target != FRAME && target != EXACT && setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)))
		err(1, "PACKET_VNET_HDR");
	if (target < EXACT && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		err(1, "PACKET_QDISC_BYPASS");
	if (mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		err(1, "SO_MARK");
}

static void open_tap(void)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_NAPI | IFF_NAPI_FRAGS };
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strcpy(request.ifr_name, "tap");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		err(1, "tap");
	request.ifr_hwaddr.sa_family = 1;
	memcpy(request.ifr_hwaddr.sa_data, to_tap, 6);
	if (ioctl(control, SIOCSIFHWADDR, &request))
		err(1, "SIOCSIFHWADDR");
	request.ifr_flags = IFF_UP;
	if (ioctl(control, SIOCSIFFLAGS, &request))
		err(1, "SIOCSIFFLAGS");
	close(control);
	target_fd[TAP] = fd;
}

/* Sockets that take ESP in UDP. */
static void open_encapsulated(int family)
{
	struct sockaddr_in6 address = { .sin6_family = family };
	int encap = UDP_ENCAP_ESPINUDP, fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	/* The port is in the same place in both families. */
	address.sin6_port = htons(4500);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, family == AF_INET6 ? sizeof(address) : sizeof(struct sockaddr_in)) ||
	    setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &encap, sizeof(encap)))
		err(1, "ESP in UDP");
}

void prepare(char *netns[])
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), control;
	struct ifreq request = { .ifr_name = "under" };

	enter(netns[0]);
	open_packet(FRAME, "under", 0);
	open_packet(FRAME_GSO, "under", 0);
	enter(netns[1]);
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(control, SIOCGIFHWADDR, &request))
		err(1, "SIOCGIFHWADDR");
	memcpy(to_receiver, request.ifr_hwaddr.sa_data, 6);
	open_tap();
	open_encapsulated(AF_INET);
	open_encapsulated(AF_INET6);
	enter(netns[2]);
	open_packet(EXACT, "exact", 0);
	open_packet(STATIC, "static", 0);
	open_packet(EXTERNAL, "external", 0);
	open_packet(METADATA, "external", 6);
	if (setns(here, CLONE_NEWNET))
		err(1, "setns");
}
