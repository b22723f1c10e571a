// SPDX-License-Identifier: GPL-2.0

//! A packet as the BPF program sends it.

use std::time::SystemTime;

use crate::{live, packet::array};

/// The size of what comes before the packet.
const HEADER: usize = 32;

#[derive(Debug)]
pub struct Event<'a> {
    pub time: SystemTime,
    pub ifindex: u32,
    pub if_id: Option<u32>,
    pub is_out: bool,
    /// How long the packet was.
    pub length: u32,
    /// As much of it as was asked for.
    pub packet: &'a [u8],
}

impl<'a> Event<'a> {
    /// As `struct event` of dump.bpf.c has it; none if the bytes are something else.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let word = |offset| array::<4>(bytes, offset).map(u32::from_ne_bytes);
        let [is_known, is_out] = array::<2>(bytes, 24)?;
        let caught = usize::try_from(word(20)?).ok()?;
        Some(Self {
            time: live::when(u64::from_ne_bytes(array::<8>(bytes, 0)?)),
            ifindex: word(8)?,
            if_id: (is_known != 0).then_some(word(12)?),
            is_out: is_out != 0,
            length: word(16)?,
            packet: bytes.get(HEADER..HEADER.checked_add(caught)?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_ends_where_it_was_cut() {
        let mut bytes = vec![0; HEADER + 2048];
        bytes[8..12].copy_from_slice(&9_u32.to_ne_bytes());
        bytes[12..16].copy_from_slice(&7_u32.to_ne_bytes());
        bytes[16..20].copy_from_slice(&1500_u32.to_ne_bytes());
        bytes[20..24].copy_from_slice(&100_u32.to_ne_bytes());
        bytes[24] = 1;
        bytes[HEADER] = 0x45;
        let event = Event::parse(&bytes).unwrap();
        assert_eq!(
            (event.ifindex, event.if_id, event.is_out),
            (9, Some(7), false)
        );
        assert_eq!(
            (event.length, event.packet.len(), event.packet[0]),
            (1500, 100, 0x45)
        );
        bytes[20..24].copy_from_slice(&3000_u32.to_ne_bytes());
        assert!(Event::parse(&bytes).is_none());
        assert!(Event::parse(&bytes[..20]).is_none());
    }
}
