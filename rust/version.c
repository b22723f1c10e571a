// SPDX-License-Identifier: GPL-2.0
/*
 * The version of the driver: this is the one place that says it. In C because the kernel's module!
 * macro has no such field. "modinfo -F version" shows it, and
 * /sys/module/xfrm_interface_rust/version.
 */

#include <linux/module.h>

MODULE_VERSION("1.0.0-rc1");
