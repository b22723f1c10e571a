// SPDX-License-Identifier: GPL-2.0

//! Lines on standard error, with their levels if it is journald that reads them.

use std::{fmt::Display, sync::OnceLock};

/// What has been done.
pub fn info(what: impl Display) {
    line(6, what);
}

/// What somebody should look at.
pub fn warning(what: impl Display) {
    line(4, what);
}

fn line(level: u8, what: impl Display) {
    // Names of peers are in it.
    let what = what.to_string().replace(char::is_control, "?");
    static JOURNALD: OnceLock<bool> = OnceLock::new();
    if *JOURNALD.get_or_init(|| std::env::var_os("JOURNAL_STREAM").is_some()) {
        eprintln!("<{level}>{what}");
    } else {
        eprintln!("{what}");
    }
}
