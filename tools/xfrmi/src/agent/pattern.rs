// SPDX-License-Identifier: GPL-2.0

//! Patterns for names of connections, in which `*` stands for anything.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// Whether there are names that both match.
    pub fn meets(&self, other: &Self) -> bool {
        meet(self.0.as_bytes(), other.0.as_bytes())
    }
}

fn meet(one: &[u8], other: &[u8]) -> bool {
    // By the lengths of what is left of both: whether that meets.
    let width = other.len() + 1;
    let mut meets = vec![false; (one.len() + 1) * width];
    for i in (0..=one.len()).rev() {
        for k in (0..=other.len()).rev() {
            let at = |i: usize, k: usize| i * width + k;
            meets[at(i, k)] = match (one.get(i), other.get(k)) {
                (None, None) => true,
                (Some(b'*'), Some(_)) => meets[at(i + 1, k)] || meets[at(i, k + 1)],
                (Some(b'*'), None) => meets[at(i + 1, k)],
                (Some(_), Some(b'*')) => meets[at(i, k + 1)] || meets[at(i + 1, k)],
                (None, Some(b'*')) => meets[at(i, k + 1)],
                (Some(a), Some(b)) => a == b && meets[at(i + 1, k + 1)],
                _ => false,
            };
        }
    }
    meets[0]
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match() {
        for (pattern, name, matches) in [
            ("red", "red", true),
            ("red", "reds", false),
            ("red-*", "red-", true),
            ("red-*", "red-1", true),
            ("red-*", "red", false),
            ("*", "", true),
            ("*-rw", "red-rw", true),
            ("*-rw", "rw", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "abcab", false),
            ("ab*ba", "aba", false),
            ("**", "x", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(name),
                matches,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn patterns_meet() {
        for (one, other, meets) in [
            ("red-*", "blue-*", false),
            ("red-*", "red-*", true),
            ("*-rw", "red-*", true),
            ("red", "r*d", true),
            ("red", "r*x", false),
            ("", "*", true),
            ("a*b", "b*a", false),
        ] {
            assert_eq!(
                Pattern::new(one).meets(&Pattern::new(other)),
                meets,
                "{one} {other}"
            );
            assert_eq!(
                Pattern::new(other).meets(&Pattern::new(one)),
                meets,
                "{other} {one}"
            );
        }
    }
}
