// SPDX-License-Identifier: GPL-2.0

//! What the BPF program tells of a packet that is dropped.

use std::time::SystemTime;

use crate::{
    live,
    packet::{Flow, array},
};

/// The size of the event, without the packet's bytes.
const HEADER: usize = 56;

/// What the C driver has looked up before it dropped a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// Nothing.
    None,
    /// There is an error; without its sign.
    Failed(i32),
    NoPolicy,
    /// The policy's states belong to another connection.
    OtherIfId,
    Found,
    /// What was found leads to the device itself.
    Loop,
}

/// Why it was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// A cause of the Rust driver's.
    Cause(u32),
    /// What the kernel says: a drop reason, an address in its code, and the C driver's look-up.
    Kernel {
        reason: u32,
        location: u64,
        lookup: Lookup,
    },
}

#[derive(Debug, Clone)]
pub struct Event {
    pub time: SystemTime,
    pub ifindex: u32,
    pub device: String,
    /// What the packet itself says of its connection.
    pub if_id: Option<u32>,
    pub is_out: bool,
    pub why: Why,
    pub flow: Option<Flow>,
}

impl Event {
    /// As `struct event` of drops.bpf.c has it; none if the bytes are something else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |offset| array::<4>(bytes, offset).map(u32::from_ne_bytes);
        let long = |offset| array::<8>(bytes, offset).map(u64::from_ne_bytes);
        let [is_known, is_out, is_cause, caught] = array::<4>(bytes, 36)?;
        let name = array::<16>(bytes, 40)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let reason = word(24)?;
        Some(Self {
            time: live::when(long(0)?),
            ifindex: word(16)?,
            device: String::from_utf8_lossy(name).into_owned(),
            if_id: (is_known != 0).then_some(word(20)?),
            is_out: is_out != 0,
            why: if is_cause != 0 {
                Why::Cause(reason)
            } else {
                Why::Kernel {
                    reason,
                    location: long(8)?,
                    lookup: Lookup::new(word(28)?.cast_signed()),
                }
            },
            flow: Flow::of(bytes.get(HEADER..HEADER + usize::from(caught))?),
        })
    }
}

impl Lookup {
    fn new(result: i32) -> Self {
        match result {
            ..=-1 => Self::Failed(result.wrapping_neg()),
            1 => Self::NoPolicy,
            2 => Self::OtherIfId,
            3 => Self::Found,
            4 => Self::Loop,
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read() {
        let mut bytes = vec![0; 184];
        bytes[16..20].copy_from_slice(&9_u32.to_ne_bytes());
        bytes[20..24].copy_from_slice(&7_u32.to_ne_bytes());
        bytes[24..28].copy_from_slice(&6_u32.to_ne_bytes());
        bytes[36..40].copy_from_slice(&[1, 1, 1, 20]);
        bytes[40..45].copy_from_slice(b"ipsec");
        bytes[56] = 0x45;
        bytes[72..76].copy_from_slice(&[10, 2, 0, 10]);
        let event = Event::parse(&bytes).unwrap();
        assert_eq!(
            (event.ifindex, event.if_id, event.is_out),
            (9, Some(7), true)
        );
        assert_eq!(event.device, "ipsec");
        assert_eq!(event.why, Why::Cause(6));
        assert_eq!(event.flow.unwrap().destination.to_string(), "10.2.0.10");
        // Of another version, perhaps.
        assert!(Event::parse(&bytes[..50]).is_none());
        bytes[39] = 255;
        assert!(Event::parse(&bytes).is_none());
    }
}
