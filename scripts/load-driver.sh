# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How a driver is loaded and unloaded, for all who need one: selftests, measurements, the demo, the
# shell of the virtual machine. Whoever sources this says which:
#
#	DRIVER=rust|c		ours, which is the default, or the kernel's
#	MODULE=FILE		ours
#	driver_parameters	an array, what ours is given when it is loaded

declare -a driver_parameters

# Sets driver_name to what the module is called. Packages call ours as the kernel's.
name_driver()
{
	driver_name=xfrm_interface
	[ "${DRIVER:-rust}" != c ] || return 0
	driver_name=${MODULE:-xfrm_interface_rust}
	driver_name=${driver_name##*/}
	driver_name=${driver_name%%.*}
}

driver_built_in()
{
	name_driver
	grep -qs "/$driver_name\.ko\$" "/lib/modules/$(uname -r)/modules.builtin"
}

driver_loaded()
{
	name_driver
	[ -d "/sys/module/$driver_name" ] || driver_built_in
}

# Loads the driver, unless it is there.
driver_load()
{
	local dependencies

	driver_loaded && return 0
	if [ "${DRIVER:-rust}" = c ]; then
		modprobe xfrm_interface
		return
	fi
	# A file is not looked up, so what it needs has to be there.
	dependencies=$(modinfo -F depends "$MODULE") || return
	# shellcheck disable=SC2086 # A list of words.
	[ -z "$dependencies" ] || modprobe -a ${dependencies//,/ } || return
	insmod "$MODULE" "${driver_parameters[@]}"
}

driver_unload()
{
	name_driver
	rmmod "$driver_name"
}

name_driver
