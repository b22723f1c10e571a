// SPDX-License-Identifier: GPL-2.0
/*
 * The version of the driver: this is the one place that says it. In C because the kernel's module!
 * macro has no such field. "modinfo -F version" shows it, "ethtool -i", and
 * /sys/module/xfrm_interface_rust/version.
 */

#include <linux/ethtool.h>
#include <linux/module.h>

#include "version.h"

#define VERSION "1.0.0-rc1"

MODULE_VERSION(VERSION);

/* What "ethtool -i" shows. In process context. */
void version_drvinfo(struct ethtool_drvinfo *info, const char *driver)
{
	strscpy(info->driver, driver);
	strscpy(info->version, VERSION);
}
