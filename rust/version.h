/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the driver says of itself.
 */
#ifndef _VERSION_H
#define _VERSION_H

struct ethtool_drvinfo;

void version_drvinfo(struct ethtool_drvinfo *info, const char *driver);

#endif
