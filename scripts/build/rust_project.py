#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Completes the rust-project.json that the kernel's rules have written, and prints it.

    rust_project.py BUILD-DIRECTORY SYSROOT "CFG..." INSIDE=OUTSIDE...

The kernel knows neither what the module's own rules tell rustc, nor what the places of the sandbox
are called outside of it.
"""

import json
import sys
from pathlib import Path

NAME = 'xfrm_interface_rust'


def complete(crate, build, cfgs):
    """Adds to the module's crate what rust/Kbuild gives to rustc."""
    bindings = Path('/src', build, 'rust/bindings')
    crate['env']['NET_BINDINGS'] = str(bindings / 'bindings_generated.rs')
    crate['cfg'] = [*crate['cfg'], *cfgs]
    # What is included has to lie in one of these.
    crate['source'] = {'include_dirs': ['/src/rust', str(bindings)], 'exclude_dirs': []}


def moved(value, places):
    """The value with all paths as they are called outside."""
    if isinstance(value, dict):
        return {key: moved(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, places) for item in value]
    if isinstance(value, str):
        for inside, outside in places:
            if value == inside or value.startswith(inside + '/'):
                return outside + value[len(inside):]
    return value


def check(project):
    """Fails unless the module's crate is there once, and finds what it is made of."""
    crates = project['crates']
    ours = [crate for crate in crates if crate['display_name'] == NAME]
    if len(ours) != 1:
        sys.exit(f'{len(ours)} crates {NAME}: the kernel found another set of roots')
    for crate in crates:
        for path in (crate['root_module'], crate.get('proc_macro_dylib_path', '/')):
            if not Path(path).exists():
                sys.exit(f'{crate["display_name"]}: no {path}')
    if not Path(ours[0]['env']['NET_BINDINGS']).exists():
        sys.exit('no bindings')
    # Directly, or through the kernel's prelude.
    known, found = [ours[0]], set()
    while known:
        for dep in known.pop()['deps']:
            if dep['name'] not in found:
                found.add(dep['name'])
                known.append(crates[dep['crate']])
    missing = {'core', 'kernel', 'macros', 'pin_init', 'zerocopy', 'bindings'} - found
    if missing:
        sys.exit(f'{NAME} does not reach {", ".join(sorted(missing))}')


def main():
    """Prints the project."""
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    build, sysroot, cfgs, *places = sys.argv[1:]
    project = json.loads(Path(build, 'rust-project.json').read_text(encoding='utf-8'))
    for crate in project['crates']:
        # The kernel's crates are there to be looked up, not to be worked on.
        crate['is_workspace_member'] = crate['display_name'] == NAME
        if crate['is_workspace_member']:
            complete(crate, build, cfgs.split())
    check(project)
    places = [place.split('=', 1) for place in places]
    project = {**moved(project, places), 'sysroot': sysroot}
    json.dump(project, sys.stdout, indent=4, sort_keys=True)
    print()


main()
