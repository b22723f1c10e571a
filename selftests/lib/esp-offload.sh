# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The modules esp4_offload and esp6_offload, which bring GRO and segmentation to ESP. What arrives is
# handled otherwise then, so that no other test may find them.

# esp_offload_goes: a subtest. States hold on to the modules, and go later than they are deleted.
esp_offload_goes()
{
	check slowwait 20 esp_offload_gone -- "something keeps $(grep '^esp[46]_offload ' /proc/modules | tr '\n' ';')"
}

esp_offload_gone()
{
	modprobe -q -r esp4_offload esp6_offload
	! grep -q '^esp[46]_offload ' /proc/modules
}
