# SPDX-License-Identifier: GPL-2.0
"""The switch itself: in which order things are done, and how they are undone."""

import contextlib
import fcntl
import json
import os
import resource
import signal
import sys
import time

from . import drivers, namespaces, obstacles, restore, state
from .drivers import Failure
from .netlink import RTM_GETLINK

STATE = f"{namespaces.RUN}/state.json"


class Interrupted(Failure):
    """Somebody has asked to end."""


def say(*words):
    """Prints a line. That nobody reads it any more is no reason to stop half-way."""
    with contextlib.suppress(OSError):
        print(*words, flush=True)


def warn(*words):
    """Prints a line to those who look for what is wrong."""
    with contextlib.suppress(OSError):
        print("xfrm-interface-switch:", *words, file=sys.stderr, flush=True)


class Signals:
    """Signals that end a process are noted while things are half done, and looked at between
    steps."""

    caught = None

    def __init__(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, self._note)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def _note(self, number, _):
        self.caught = self.caught or signal.Signals(number).name

    def check(self):
        """Ends the step if there was one."""
        if self.caught:
            raise Interrupted(f"ended by {self.caught}")


def lock():
    """Makes our directory, and keeps others from doing the same at the same time."""
    os.makedirs(namespaces.RUN, mode=0o700, exist_ok=True)
    os.chmod(namespaces.RUN, 0o700)
    file = os.open(f"{namespaces.RUN}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Failure("another xfrm-interface-switch is at work") from error
    namespaces.private_mounts()


def write_state(content):
    """Writes what is needed to put things back, in one piece."""
    descriptor = os.open(STATE + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(STATE + ".new", STATE)


class World:
    """All namespaces, and what is saved of those that have devices."""
    def __init__(self):
        # Each namespace takes some descriptors.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.spaces = namespaces.find()
        self.by_cookie = {netns.cookie: netns for netns in self.spaces}

    def links(self):
        """The devices of each namespace, as they are dumped."""
        return {netns.cookie: netns.rtnl.dump(RTM_GETLINK, bytes(16)) for netns in self.spaces}

    def below(self, cookie, link):
        """The cookie of the namespace of the device below; None if that is not to be found."""
        if link.nsid is None:
            return cookie
        return next((other.cookie for other in self.spaces
                     if namespaces.nsid_of(self.by_cookie[cookie], other) == link.nsid), None)

    def save(self, only=None, unknown=None):
        """Saves those namespaces in which anything goes with the driver."""
        saved = []
        for cookie, bodies in self.links().items():
            netns = self.by_cookie[cookie]
            if only is not None and cookie not in only:
                continue
            one = state.save(
                netns, bodies, unknown and
                (lambda name, why, n=netns: unknown(f"{n.name}: {name}: {why}")))
            if only is not None or one.links or one.routes or one.nexthops:
                saved.append(one)
        return saved


class Switch:
    """From one driver to the other, or back."""
    def __init__(self, signals, wait, tolerant):
        self.signals, self.wait, self.tolerant = signals, wait, tolerant
        self.world = World()
        self.saved, self.plans = [], []
        self.started = self.gap = None

    def prepare(self, to, force):
        """Saves everything; refuses what can't be put back with the driver to switch to."""
        wrong = []
        self.saved = self.world.save(unknown=wrong.append)
        links = {
            cookie: list(map(state.Link, bodies))
            for cookie, bodies in self.world.links().items()
        }
        self._rank()
        wrong += obstacles.find(self.world, links, self.saved)
        wrong += obstacles.rehearse(self.saved, links)
        wrong += obstacles.unknown_to_c(self.saved) if to == "c" else []
        for what in wrong:
            warn("can not be put back:", what)
        if wrong and not force:
            raise Failure(
                "nothing has been touched; --force switches all the same, without what can not be "
                "put back"
            )
        for one in self.saved:
            netns = self.world.by_cookie[one.cookie]
            for what in obstacles.losses(netns, one.links):
                say(f"note: {netns.name}: {what} end with the device")
        self.plan()

    def _rank(self):
        """A device may be on top of another one that goes, even in another namespace: that is made
        first."""
        ours = {(one.cookie, link.index): (one, link) for one in self.saved for link in one.links}
        below = {}
        for (cookie, index), (_, link) in ours.items():
            lower = self.world.below(cookie, link)
            below[cookie, index] = (lower, link.lower) if (lower, link.lower) in ours else None
        for where, (one, link) in ours.items():
            rank, step = 0, below[where]
            # Nothing keeps two from being on top of each other.
            while step and rank < len(ours):
                rank, step = rank + 1, below[step]
            one.settings_of(link)["rank"] = rank

    def plan(self):
        """Prepares what will be sent."""
        self.plans = [restore.Plan(self.world.by_cookie[one.cookie], one) for one in self.saved]

    def spare_references(self, module):
        """How many references to the driver are not those of routes and next hops, which may share
        one. What has just been removed may have some for a moment."""
        own = sum(one.encap for saved in self.saved for one in saved.all_routes + saved.nexthops)
        for _ in range(20):
            spare = drivers.references(module) - own
            if spare <= 0:
                break
            time.sleep(0.1)
        return spare

    def away(self, module):
        """Unloads a driver."""
        self.started = self.started or time.monotonic()
        for plan in self.plans:
            wrong = plan.take_away()
            if wrong:
                raise Failure("; ".join(wrong))
        self.signals.check()
        drivers.unload(module, self.wait, self.signals.check)
        self.signals.check()

    def back(self, existing=False):
        """Puts everything back, from what packets need first."""
        ranks = sorted({rank for plan in self.plans for rank in plan.create})
        steps = [lambda plan, rank=rank: plan.make(rank, existing) for rank in ranks]
        for step in [*steps, lambda plan: plan.set(), lambda plan: plan.fill(existing)]:
            wrong = [what for plan in self.plans for what in step(plan)]
            if wrong and not self.tolerant:
                raise Failure("; ".join(wrong[:10]))
            for what in wrong:
                warn(what)
            self.signals.check()
        self.gap = time.monotonic() - self.started if self.started else 0

    def verify(self):
        """Compares what there is with what was saved; returns what differs."""
        cookies = [one.cookie for one in self.saved]
        # What is shown once may change a moment later: what sets off a change of routes may still
        # be under way.
        for _ in range(3):
            after = {one.cookie: one for one in self.world.save(cookies)}
            failed = [what for plan in self.plans for what in plan.settle(after[plan.saved.cookie])]
            after = {one.cookie: one for one in self.world.save(cookies)}
            wrong = [what for one in self.saved for what in state.compare(one, after[one.cookie])]
            if not wrong:
                break
            self.signals.check()
            time.sleep(0.2)
        for what in failed if wrong else ():
            warn(what)
        for one in self.saved:
            for what, mine, theirs in zip(("states", "policies"), one.raw["xfrm"],
                                          after[one.cookie].raw["xfrm"]):
                lost = len(set(map(str, mine)) - set(map(str, theirs)))
                if lost:
                    say(f"note: {one.name}: {lost} of {len(mine)} IPsec {what} are not there any "
                        "more"
                        )
        return wrong


def undo(switch, old, old_file, arguments):
    """Loads the old driver, whatever there is now, and puts everything back; tries some more times,
    because others may have been in the way. Returns whether it succeeded."""
    switch.signals = NoSignals()
    for attempt in range(6):
        try:
            now = drivers.loaded()
            if now and now.kind != old.kind:
                switch.away(now.module)
                now = None
            if not now:
                drivers.load_dependencies(old_file)
                drivers.load(old_file, arguments)
            switch.tolerant = False
            switch.back(existing=True)
            wrong = switch.verify()
            if not wrong:
                return True
        except Exception as error:  # pylint: disable=broad-exception-caught
            wrong = [str(error) or repr(error)]
        for what in wrong:
            warn(f"undoing, attempt {attempt + 1}: {what}")
        time.sleep(1)
    return False


class NoSignals:
    """While things are undone, nobody ends that."""

    caught = None

    def check(self):
        """Never ends anything."""
