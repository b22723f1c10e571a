#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes KUnit tests of the examples in the crate's documentation.

	doctests.py RUST-DIRECTORY OUTPUT

The kernel has rustdoc extract the examples of its own crates. Those of a module, whose items nobody
outside can name, have to be compiled in it. An example is what stands between lines of ``` in a
comment that rustdoc reads; "# " before a line hides it there. It begins with "use" lines, may use
"?", and fails by an assertion or an error. What only shows a shape is marked as ```text or
```ignore, as for rustdoc.
"""

import re
import sys
from pathlib import Path

HEAD = """// SPDX-License-Identifier: GPL-2.0

use kernel::prelude::*;

#[kunit_tests(xfrmi_doctests)]
mod cases {
"""

TEST = """    // {path}:{line}
    #[test]
    #[allow(unused_imports, reason = "an example says where everything comes from")]
    fn {name}() -> kernel::error::Result {{
        use kernel::prelude::*;
{body}
        #[allow(unreachable_code)]
        Ok(())
    }}
"""


def examples(path):
    """The examples of a file: the line of each, and its lines of code."""
    inside, code, start = False, [], 0
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r"\s*//[/!] ?(.*)", line)
        if not match:
            if inside:
                sys.exit(f"{path}:{number}: the example of line {start} does not end")
            continue
        text = match[1]
        fence = re.match(r"```(\w*)", text)
        if not fence:
            if inside is not False and code is not None:
                code.append(re.sub(r"^(\s*)# ", r"\1", text) if text.strip() != "#" else "")
        elif inside is False:
            inside, start = True, number
            code = [] if fence[1] in ("", "rust") else None
        else:
            if code is not None:
                yield start, code
            inside = False


def main():
    """Writes the tests."""
    root, output = Path(sys.argv[1]), Path(sys.argv[2])
    tests = []
    for path in sorted(root.rglob("*.rs")):
        parts = path.relative_to(root).with_suffix("").parts
        if "tests" in parts or path.name.endswith("_generated.rs"):
            continue
        for count, (line, code) in enumerate(examples(path)):
            name = "_".join(part for part in parts if part != "mod") + f"_{count}"
            body = "\n".join(f"        {text}".rstrip() for text in code)
            tests.append(TEST.format(path=path.relative_to(root), line=line, name=name, body=body))
    output.write_text(HEAD + "\n".join(tests) + "}\n")


if __name__ == "__main__":
    main()
