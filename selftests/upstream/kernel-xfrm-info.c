// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's prog_tests/xfrm_info.c needs of test_progs, which runs all of the BPF
 * selftests.
 */
#include "test_progs.h"

void test_xfrm_info(void);

static bool started, failed;

void test__fail(void)
{
	failed = true;
}

bool test__start_subtest(const char *name)
{
	started = true;
	return true;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_xfrm_info();
	/* It may end before its only subtest without a condition that fails. */
	failed |= !started;
	printf("%s: xfrm_info\n", failed ? "FAIL" : "PASS");
	return failed;
}
