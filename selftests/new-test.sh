#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes a new test.
#
#	new-test.sh SUBJECT/NAME	SUBJECT is a folder beside this file, NAME what the test is called
#
# It is lib/template.sh, which passes as it is: two gateways, a tunnel, and a look at what came
# through. See docs/writing-tests.md.

here=$(dirname "$(readlink -e "$0")")

die()
{
	printf 'new-test.sh: %s\n' "$*" >&2
	exit 1
}

subjects=$(cd "$here" && printf '%s\n' */ | sed 's,/$,,' | grep -vxE 'lib|tools|expect' | paste -sd' ')
[ $# -eq 1 ] || die "usage: new-test.sh SUBJECT/NAME; subjects are: $subjects"
[[ $1 =~ ^([^/]+)/([^/]+)$ ]] || die "'$1' is not SUBJECT/NAME; subjects are: $subjects"
subject=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]%.sh}
[[ " $subjects " = *" $subject "* ]] || die "there is no subject '$subject', but: $subjects"
# What run.sh checks by itself is called run.
[[ $name =~ ^[a-z][a-z0-9-]*$ && $name != run ]] ||
	die "'$name' is no name for a test: lower case letters, digits and hyphens, not 'run'"
# Results are named after the file alone.
for file in "$here"/*/"$name".{sh,py}; do
	[ ! -e "$file" ] || die "there is a ${file#"$here"/} already"
done

file=$here/$subject/$name.sh
cp "$here/lib/template.sh" "$file" && chmod 755 "$file" || exit
cat <<-END
	made selftests/$subject/$name.sh; it passes as it is:
	    make test DRIVER=rust TESTS=$name
END
