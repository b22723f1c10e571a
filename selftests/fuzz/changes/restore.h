/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state that a world begins with; and changes of settings.
 */
#ifndef FUZZ_CHANGES_RESTORE_H
#define FUZZ_CHANGES_RESTORE_H

#include "world.h"

void restore(struct world *w);

#endif
