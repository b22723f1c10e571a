/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sockets by which the kernel is asked, and what is found wrong.
 */
#ifndef FUZZ_NETLINK_SOCKETS_H
#define FUZZ_NETLINK_SOCKETS_H

#include "../shared/fuzz.h"
#include "../shared/message.h"

#define MAX_NETNS 4

/* netns_count is how many there are besides the first. */
extern int netns_fd[MAX_NETNS], netns_count;

/*
 * What is under test is sent through the first one. Those by which it is looked at: in the first
 * namespace without and with strict checking, and in the others.
 */
extern int bulk, checked[2], elsewhere[MAX_NETNS - 1];

/* The number of the last message. */
extern uint32_t sequence;

/* What has been found first, or nothing. */
extern char problem[512];

bool fail(const char *format, ...);
void prepare(char *names[]);
int socket_of(uint32_t netns);
int ask(int fd, struct message *m, bool (*seen)(const struct nlmsghdr *header, void *arg),
		void *arg);
void drain(int errors[], uint32_t first, uint32_t count);

#endif
