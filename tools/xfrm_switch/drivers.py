# SPDX-License-Identifier: GPL-2.0
"""The two drivers: which one is loaded, where their files are, loading and unloading them."""

import glob
import os
import re
import subprocess
import time
from collections import namedtuple

NAMES = ("xfrm_interface", "xfrm_interface_rust")
SUFFIXES = ("", ".xz", ".zst", ".gz")
PUT_AWAY = "/var/lib/dkms/xfrm-interface-rust/original_module/{}/*/xfrm_interface.ko*"
LINKS = "/run/xfrm-interface-switch.links"
TITLES = {"c": "the C driver", "rust": "the Rust driver"}

Loaded = namedtuple("Loaded", "kind module version")


class Failure(Exception):
    """A step that did not succeed, in words for whoever started this."""


def run(*command):
    """What a command prints. Signals of the terminal do not reach it."""
    environment = dict(os.environ, LC_ALL="C", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    try:
        done = subprocess.run(command,
                              env=environment,
                              stdin=subprocess.DEVNULL,
                              capture_output=True,
                              text=True,
                              start_new_session=True,
                              check=False)
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise Failure((done.stderr or done.stdout).strip() or
                      f"{command[0]} exits with {done.returncode}")
    return done.stdout


def _content(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def loaded():
    """The driver that is loaded; None if none is."""
    for module in NAMES:
        # What is built in has no such file.
        if os.path.exists(f"/sys/module/{module}/initstate"):
            version = _content(f"/sys/module/{module}/version")
            # Ours has the same name where it is installed, but it alone has a version.
            return Loaded("c" if module == NAMES[0] and version is None else "rust", module,
                          version)
    return None


def built_in():
    """Whether the C driver is part of the kernel itself."""
    release = os.uname().release
    return f"/{NAMES[0]}.ko\n" in (_content(f"/lib/modules/{release}/modules.builtin") or "") + "\n"


def field(file, name):
    """A field of a module's file; empty if it has none."""
    return run("modinfo", "-F", name, file).strip()


def kind_of(file):
    """Which driver a file is; None if it is neither."""
    try:
        description = field(file, "description")
    except Failure:
        return None
    if "XFRM virtual interface" not in description:
        return None
    return "rust" if "(Rust)" in description else "c"


def _put_away():
    """The C driver where DKMS has put it away: links by names that the tools know modules by, which
    last as long as a switch that was interrupted can be undone."""
    links = []
    for path in sorted(glob.glob(PUT_AWAY.format(os.uname().release))):
        link = os.path.join(LINKS, os.path.basename(path).removesuffix(".origin"))
        os.makedirs(LINKS, mode=0o700, exist_ok=True)
        if os.path.lexists(link):
            os.remove(link)
        os.symlink(path, link)
        links.append(link)
    return links


def find(kind, given):
    """The file of a driver: the one that is given, or the one that is installed for this kernel."""
    base = f"/lib/modules/{os.uname().release}"
    for path in given:
        if kind_of(path) == kind:
            return os.path.abspath(path)
    if kind == "c":
        candidates = [f"{base}/kernel/net/xfrm/xfrm_interface.ko{suffix}" for suffix in SUFFIXES]
        candidates += _put_away()
    else:
        candidates = [
            path for name in NAMES
            for path in sorted(glob.glob(f"{base}/**/{name}.ko*", recursive=True))
            if not path.startswith(f"{base}/kernel/")
        ]
    for path in candidates:
        if os.path.exists(path) and kind_of(path) == kind:
            return path
    return None


def default():
    """The file that is loaded when somebody makes a device; None if none is."""
    try:
        plan = run("modprobe", "--use-blacklist", "--show-depends", "rtnl-link-xfrm")
    except Failure:
        return None
    found = re.findall(r"^insmod (\S*/xfrm_interface\S*)", plan, re.M)
    if found:
        return found[-1]
    # A package of ours has a command do it, which begins with what is found by this name.
    return field(NAMES[0], "filename") if re.search(r"^install ", plan, re.M) else None


def check(file):
    """Says why a driver's file can't be loaded, as far as that can be known before: obstacles, and
    things to be warned of."""
    wrong, warnings = [], []
    release, magic = os.uname().release, field(file, "vermagic").split(" ")[0]
    if magic != release:
        wrong.append(f"{file} is for kernel {magic}, this is {release}")
    if _content("/proc/sys/kernel/modules_disabled") == "1":
        wrong.append("the kernel takes no modules any more (kernel.modules_disabled)")
    locked = re.search(r"\[(integrity|confidentiality)\]",
                       _content("/sys/kernel/security/lockdown") or "")
    if locked or _content("/sys/module/module/parameters/sig_enforce") == "Y":
        signer = field(file, "signer") or field(file, "sig_id")
        if not signer:
            wrong.append(f"{file} is not signed, and this kernel takes signed modules only")
        elif signer not in (_content("/proc/keys") or ""):
            warnings.append(f"{file} is signed by '{signer}', which this kernel may not know")
    return wrong, warnings


def load_dependencies(file):
    """Loads what a driver needs, so that it does not have to be waited for later."""
    depends = [name for name in field(file, "depends").split(",") if name]
    if depends:
        run("modprobe", "-a", *depends)


def configured(file):
    """The parameters that modprobe.d has for a driver's file."""
    known = {line.split(":")[0] for line in field(file, "parm").splitlines()}
    found = []
    for line in run("modprobe", "-c").splitlines():
        words = line.split()
        if len(words) > 2 and words[0] == "options" and words[1].replace("-", "_") in NAMES:
            found += [word for word in words[2:] if word.split("=")[0] in known]
    return found


def parameters(module):
    """The parameters with which a loaded driver runs."""
    base = f"/sys/module/{module}/parameters"
    return [f"{name}={_content(f'{base}/{name}')}"
            for name in sorted(os.listdir(base))] if os.path.isdir(base) else []


def references(module):
    """How many references there are to a loaded driver."""
    return int(_content(f"/sys/module/{module}/refcnt") or 0)


def holders(module):
    """Other modules that use a loaded driver."""
    base = f"/sys/module/{module}/holders"
    return os.listdir(base) if os.path.isdir(base) else []


def load(file, arguments):
    """Loads a driver."""
    run("insmod", file, *arguments)


def unload(module, seconds, interrupted):
    """Unloads a driver, as soon as what was removed a moment ago is really gone."""
    until = time.monotonic() + seconds
    while references(module) and time.monotonic() < until:
        interrupted()
        time.sleep(0.002)
    while True:
        try:
            run("rmmod", module)
            return
        except Failure:
            interrupted()
            if time.monotonic() >= until or not os.path.exists(f"/sys/module/{module}"):
                raise
            time.sleep(0.01)
