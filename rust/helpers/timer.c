// SPDX-License-Identifier: GPL-2.0

#include <linux/timer.h>

#include "helpers.h"

void net_helper_timer_setup(struct timer_list *timer, void (*function)(struct timer_list *))
{
	timer_setup(timer, function, TIMER_PINNED);
}

void net_helper_mod_timer_seconds(struct timer_list *timer, unsigned int seconds)
{
	mod_timer(timer, jiffies + seconds * HZ);
}

void net_helper_timer_reduce(struct timer_list *timer, unsigned long ticks)
{
	timer_reduce(timer, jiffies + ticks);
}
