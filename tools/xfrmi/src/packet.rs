// SPDX-License-Identifier: GPL-2.0

//! What the headers of a packet say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const SCTP: u8 = 132;
const UDPLITE: u8 = 136;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// Whose packet it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flow {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    /// Ports of the source and the destination, where the protocol has some and the packet is not a
    /// fragment behind the first.
    pub ports: Option<(u16, u16)>,
}

impl Flow {
    /// Of a packet that begins with its IP header; none if that is not one.
    pub fn of(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::of_ipv4(packet),
            6 => Self::of_ipv6(packet),
            _ => None,
        }
    }

    fn of_ipv4(packet: &[u8]) -> Option<Self> {
        let header = packet.get(..20)?;
        let length = usize::from(header[0] & 0xf) * 4;
        let is_first = u16::from_be_bytes([header[6], header[7]]) & 0x1fff == 0;
        let protocol = header[9];
        Some(Self {
            source: Ipv4Addr::from(array::<4>(header, 12)?).into(),
            destination: Ipv4Addr::from(array::<4>(header, 16)?).into(),
            protocol,
            ports: if is_first && length >= 20 {
                ports(packet, length, protocol)
            } else {
                None
            },
        })
    }

    fn of_ipv6(packet: &[u8]) -> Option<Self> {
        let header = packet.get(..40)?;
        let (protocol, offset) = behind_extensions(packet, header[6]);
        Some(Self {
            source: Ipv6Addr::from(array::<16>(header, 8)?).into(),
            destination: Ipv6Addr::from(array::<16>(header, 24)?).into(),
            protocol,
            ports: offset.and_then(|offset| ports(packet, offset, protocol)),
        })
    }
}

/// What follows the extensions of an IPv6 header, and where, unless that is in another fragment.
fn behind_extensions(packet: &[u8], first: u8) -> (u8, Option<usize>) {
    let (mut protocol, mut offset) = (first, 40);
    loop {
        let is_extension = matches!(
            protocol,
            HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION
        );
        if !is_extension {
            return (protocol, Some(offset));
        }
        let Some([next, length]) = array::<2>(packet, offset) else {
            return (protocol, None);
        };
        let length = usize::from(length);
        if protocol == FRAGMENT {
            let Some(place) = array::<2>(packet, offset + 2) else {
                return (protocol, None);
            };
            if u16::from_be_bytes(place) & 0xfff8 != 0 {
                return (next, None);
            }
        }
        offset += match protocol {
            FRAGMENT => 8,
            AUTHENTICATION => (length + 2) * 4,
            _ => (length + 1) * 8,
        };
        protocol = next;
    }
}

fn ports(packet: &[u8], offset: usize, protocol: u8) -> Option<(u16, u16)> {
    let [a, b, c, d] = array::<4>(packet, offset)?;
    matches!(protocol, TCP | UDP | DCCP | SCTP | UDPLITE)
        .then_some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// Some bytes of a packet, if it is long enough.
pub fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(fragment: u16, protocol: u8) -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 1, 0, 1, 10, 2, 0, 10,
        ];
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        packet.extend([0x04, 0xd2, 0, 53, 0, 8, 0, 0]);
        packet
    }

    #[test]
    fn ports_are_those_of_the_first_fragment() {
        let flow = Flow::of(&ipv4(0x2000, UDP)).unwrap();
        assert_eq!(flow.destination.to_string(), "10.2.0.10");
        assert_eq!(flow.ports, Some((1234, 53)));
        assert_eq!(Flow::of(&ipv4(0x2001, UDP)).unwrap().ports, None);
        assert_eq!(Flow::of(&ipv4(0, 1)).unwrap().ports, None);
    }

    #[test]
    fn extensions_are_skipped() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 24, HOP_BY_HOP, 64];
        packet.extend([0xfd; 16]);
        packet.extend([0xfe; 16]);
        packet.extend([FRAGMENT, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([TCP, 0, 0, 1, 0, 0, 0, 1]);
        packet.extend([0, 80, 0, 81]);
        let flow = Flow::of(&packet).unwrap();
        assert_eq!((flow.protocol, flow.ports), (TCP, Some((80, 81))));
        packet[40 + 8 + 3] = 9;
        let flow = Flow::of(&packet).unwrap();
        assert_eq!((flow.protocol, flow.ports), (TCP, None));
    }

    #[test]
    fn whatever_is_cut_off_is_no_error() {
        for packet in [ipv4(0, UDP), vec![0x60; 60], vec![0x70; 60]] {
            for length in 0..packet.len() {
                let _ = Flow::of(&packet[..length]);
            }
        }
        assert_eq!(Flow::of(&ipv4(0, UDP)[..19]), None);
        assert_eq!(Flow::of(&ipv4(0, UDP)[..22]).unwrap().ports, None);
    }
}
