// SPDX-License-Identifier: GPL-2.0

//! How things are printed.

use std::io::{self, ErrorKind, Write};

use anyhow::Result;
use serde::Serialize;

/// Prints a text. That nobody reads it any more is no error.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        result => Ok(result?),
    }
}

/// Prints something for programs, in one line.
pub fn print_json(what: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string(what)?))
}

/// A number of bytes for people.
pub fn bytes(count: u64) -> String {
    scaled(count as f64, "B")
}

/// A number with the prefix of its unit.
pub fn scaled(mut value: f64, unit: &str) -> String {
    for prefix in ["", "k", "M", "G"] {
        if value < 1000.0 {
            let digits = usize::from(!prefix.is_empty() && value < 100.0);
            return format!("{value:.digits$} {prefix}{unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} T{unit}")
}

/// A time for people.
pub fn seconds(count: u64) -> String {
    match count {
        0..120 => format!("{count} s"),
        120..7200 => format!("{} min", count / 60),
        7200..172_800 => format!("{} h", count / 3600),
        _ => format!("{} d", count / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1500), "1.5 kB");
        assert_eq!(bytes(123_456_789), "123 MB");
        assert_eq!(bytes(5_000_000_000_000), "5.0 TB");
        assert_eq!(seconds(119), "119 s");
        assert_eq!(seconds(121), "2 min");
        assert_eq!(seconds(3 * 86400), "3 d");
    }
}
