#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Prints the files of the sandbox that are read whenever a test starts a program: the programs that
# tests start most, their libraries, and what those read. vm.sh has the guest keep them in memory,
# where it opens and maps them without asking the host.

programs=(awk basename bash bpftool cat cmp cp cut date dirname env ethtool find grep head ip jq kill
	kmod mkdir mktemp nft nsenter ping python3 readlink rm sed seq setpriv sleep socat sort stat
	stdbuf swanctl sysctl tail tc tcpdump tee timeout touch tr true uname unshare wc xargs)

{
	mapfile -t paths < <(type -P "${programs[@]}")
	printf '%s\n' "${paths[@]}"
	ldd "${paths[@]}" 2>/dev/null | grep -o '/[^ :]*'
	printf '%s\n' /etc/{ld.so.cache,nsswitch.conf,passwd,group,hosts,protocols,services} \
		/usr/share/iproute2/* /usr/lib/modules/*/modules.*.bin
	python3 -I -c 'if True:
		import argparse, collections, errno, fnmatch, ipaddress, json, os, random, re, select, shutil
		import signal, socket, struct, subprocess, sys, tempfile, threading, time
		for module in list(sys.modules.values()):
			for name in "__cached__", "__file__":
				print(getattr(module, name, None) or "")'
} | xargs -r -d '\n' readlink -e | sort -u
