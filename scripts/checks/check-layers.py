#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Whether each module of the crate uses only what is below it in rust/layers.

	check-layers.py RUST-DIRECTORY

What a module uses is what its "use" lines name, and the paths below "crate" and "super" in its
code. Tests may use everything. Prints each arrow upwards, and each module that is in the file but
not in the tree, or in the tree but not in the file.
"""

import re
import sys
from pathlib import Path


def modules(root):
    """The files of the crate by the names of their modules."""
    found = {}
    for path in sorted(root.rglob("*.rs")):
        parts = path.relative_to(root).with_suffix("").parts
        # What is tried of the kernel crate are no modules of this one.
        if parts[0] == "compat" and path.name.startswith("has_"):
            continue
        if "tests" in parts or parts == ("main",) or path.name == "bindings_generated.rs":
            continue
        found["::".join(part for part in parts if part != "mod")] = path
    return found


def read_layers(path):
    """The number of each module's layer, and the layers whose modules are one thing."""
    layers, together = {}, set()
    text = path.read_text().replace("\\\n", "")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    for number, names in enumerate(filter(None, lines)):
        if names[0] == "together":
            together.add(number)
            names = names[1:]
        for name in names:
            if name in layers:
                sys.exit(f"{path}: {name} is there twice")
            layers[name] = number
    return layers, together


def flatten(tree, prefix=""):
    """The paths of a "use" tree."""
    head, brace, rest = tree.partition("{")
    if not brace:
        yield prefix + tree.strip()
        return
    depth, start = 0, 0
    inside = rest[: rest.rindex("}")] + ","
    for at, char in enumerate(inside):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            if inside[start:at].strip():
                yield from flatten(inside[start:at].strip(), prefix + head.strip())
            start = at + 1


def used_paths(text):
    """What is used, as written."""
    text = re.sub(r"//.*", "", text)
    for tree in re.findall(r"\buse\s+([^;]+);", text):
        yield from flatten(re.sub(r"\s+", " ", tree))
    text = re.sub(r"\buse\s+[^;]+;", "", text)
    yield from re.findall(r"\b((?:crate|super|self)(?:::\w+)+)", text)


def absolute(path, module):
    """The path from the root of the crate on, seen from a module; None if it leads elsewhere."""
    parts = path.split("::")
    at = module.split("::")
    if parts[0] == "crate":
        at, parts = [], parts[1:]
    elif parts[0] in ("super", "self"):
        while parts and parts[0] in ("super", "self"):
            if parts.pop(0) == "super":
                at = at[:-1]
    else:
        return None
    return at + parts


def exported(known):
    """The paths below which modules have what is in others ("pub(crate) use self::child::Item")."""
    found = {}
    for name, path in known.items():
        text = re.sub(r"//.*", "", path.read_text())
        for tree in re.findall(r"\bpub(?:\([^)]*\))?\s+use\s+([^;]+);", text):
            for used in flatten(re.sub(r"\s+", " ", tree)):
                there = absolute(used, name)
                if there:
                    found[f"{name}::{there[-1]}"] = there
    return found


def resolve(path, module, known, exports):
    """The module that a path names something of, seen from another one; None if there is none."""
    whole = absolute(path, module)
    if whole is None:
        return None
    for length in range(len(whole), 0, -1):
        name = "::".join(whole[:length])
        if name in exports:
            whole, length = exports[name], len(exports[name])
            name = "::".join(whole[:length])
        while length and name not in known:
            length -= 1
            name = "::".join(whole[:length])
        if name in known:
            return name
    return None


def main():
    """Checks the crate."""
    root = Path(sys.argv[1])
    known = modules(root)
    layers, together = read_layers(root / "layers")
    exports = exported(known)
    wrong = [f"{name}: not in rust/layers" for name in known if name not in layers]
    wrong += [f"{name}: in rust/layers only" for name in layers if name not in known]
    for name, path in known.items():
        for used in used_paths(path.read_text()):
            other = resolve(used, name, known, exports)
            # A parent names its children to say that they are there.
            if other in (None, name) or other.startswith(name + "::"):
                continue
            mine, theirs = layers.get(name, 0), layers.get(other, 0)
            if theirs > mine or (theirs == mine and mine not in together):
                wrong.append(f"{name} uses {other}, which is not below it ({used})")
    print(*sorted(set(wrong)), sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
