// SPDX-License-Identifier: GPL-2.0

//! Commands that go on until they are ended: waiting, and times.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Result;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{SigSet, Signal},
    sys::signalfd::SignalFd,
    time::{ClockId, clock_gettime},
};

/// When a command ends.
pub struct Live {
    signals: SignalFd,
    deadline: Option<Instant>,
}

impl Live {
    /// From here on, a signal that would end the process has the command end in order.
    pub fn new() -> Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Self {
            signals: SignalFd::new(&set)?,
            deadline: None,
        })
    }

    /// Has it end after so many seconds from now.
    pub fn limit(&mut self, seconds: Option<f64>) {
        self.deadline = seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .and_then(|patience| Instant::now().checked_add(patience));
    }

    /// Waits until there are events, or for so long. Whether to go on: not after a signal, when the
    /// time is over, or if nobody reads what is written any more.
    pub fn wait(&self, events: BorrowedFd<'_>, patience: Duration) -> Result<bool> {
        let now = Instant::now();
        let left = self.deadline.map_or(patience, |end| {
            patience.min(end.saturating_duration_since(now))
        });
        let out = std::io::stdout();
        let mut files = [
            PollFd::new(events, PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(out.as_fd(), PollFlags::empty()),
        ];
        // Whatever is left of a millisecond would be waited for without waiting.
        let left =
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut files, left) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let signalled = files[1].any().unwrap_or(false);
        let unread = files[2]
            .revents()
            .is_some_and(|found| found.contains(PollFlags::POLLERR));
        let over = self.deadline.is_some_and(|end| Instant::now() >= end);
        Ok(!signalled && !unread && !over)
    }
}

/// When an event was, by the clock that BPF programs read.
pub fn when(nanoseconds: u64) -> SystemTime {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    let ago = now.saturating_sub(Duration::from_nanos(nanoseconds));
    SystemTime::now()
        .checked_sub(ago)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
