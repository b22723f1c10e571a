// SPDX-License-Identifier: GPL-2.0

//! The contents of a packet: its headers and its size.
//!
//! Multi-byte values in headers are in network byte order. What these methods return as an array is
//! a copy. They may be called in any context in which the packet may be used.
//!
//! C headers: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h),
//! [`include/linux/ip.h`](srctree/include/linux/ip.h),
//! [`include/linux/ipv6.h`](srctree/include/linux/ipv6.h)
//!
//! # Examples
//!
//! ```
//! # use crate::net::tests::packet::packet;
//! // UDP from 10.1.0.1 to 10.2.0.2, from port 1000 to port 2000; not to be fragmented.
//! let skb = packet(&[
//!     0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2, 3, 232, 7, 208, 0, 8,
//!     0, 0,
//! ])?;
//! let [version_and_length] = skb.network_header().ok_or(EINVAL)?;
//! assert_eq!(version_and_length, 0x45);
//! assert!(skb.dont_fragment());
//! let port = skb.bytes(22).map(u16::from_be_bytes);
//! assert_eq!(port, Some(2000));
//! // What is not there cannot be read.
//! assert!(skb.bytes::<8>(24).is_none());
//! assert!(skb.exceeds(27) && !skb.exceeds(28));
//! ```
//!
//! A device makes sure that there is a header before it looks at it:
//!
//! ```
//! use crate::net::{
//!     skb::{
//!         DropReason,
//!         SkBuff, //
//!     },
//!     Family, //
//! };
//!
//! fn family(skb: &mut SkBuff) -> Result<Family, DropReason> {
//!     let family = skb.family().ok_or(DropReason::UNHANDLED_PROTO)?;
//!     skb.pull_network_header()?;
//!     skb.ensure_transport_header(family);
//!     Ok(family)
//! }
//!
//! # use crate::net::tests::packet::{packet, set_family};
//! let mut skb = packet(&[0x45; 20])?;
//! set_family(&mut skb, Family::Inet);
//! assert!(family(&mut skb).is_ok_and(|family| family == Family::Inet));
//!
//! // An IPv6 header has 40 bytes.
//! set_family(&mut skb, Family::Inet6);
//! assert!(family(&mut skb).is_err());
//! ```

use super::{
    DropReason,
    SkBuff, //
};

use crate::{
    bindings,
    compat::casts::u32_as_usize,
    net::Family, //
};

use core::mem::offset_of;

use kernel::prelude::*;

/// Where an IPv4 header says what follows it, in bytes.
const PROTOCOL: usize = offset_of!(bindings::iphdr, protocol);

/// Where an IPv6 header says what follows it, in bytes.
const NEXT_HEADER: usize = offset_of!(bindings::ipv6hdr, nexthdr);

impl SkBuff {
    /// Makes the network header contiguous in memory (`pskb_inet_may_pull_reason()`). Fails, with
    /// the reason for the drop, when the packet is too short for the header of its protocol, or
    /// when memory is short.
    pub(crate) fn pull_network_header(&mut self) -> Result<(), DropReason> {
        // SAFETY: The packet is valid and borrowed exclusively.
        match unsafe { bindings::pskb_inet_may_pull_reason(self.as_raw()) } {
            bindings::skb_drop_reason_SKB_NOT_DROPPED_YET => Ok(()),
            reason => Err(DropReason(reason)),
        }
    }

    /// Returns whether the IPv4 packet must not be fragmented (`IP_DF`); false if the field is not
    /// in the linear part.
    pub(crate) fn dont_fragment(&self) -> bool {
        let offset = self.network_offset() + offset_of!(bindings::iphdr, frag_off);
        self.bytes_from_head(offset)
            .is_some_and(|frag_off| u32::from(u16::from_be_bytes(frag_off)) & bindings::IP_DF != 0)
    }

    /// Returns whether the network header, which is `N` bytes long at least, says that `protocol`
    /// follows it; false if it is not in the linear part.
    fn is_followed_by<const N: usize>(&self, offset: usize, protocol: u32) -> bool {
        self.network_header::<N>()
            .and_then(|header| header.get(offset).copied())
            .is_some_and(|it| u32::from(it) == protocol)
    }

    /// Returns whether ICMP follows the network header; false if that is not in the linear part.
    pub(crate) fn is_icmp(&self, family: Family) -> bool {
        match family {
            Family::Inet => self.is_followed_by::<20>(PROTOCOL, bindings::IPPROTO_ICMP),
            Family::Inet6 => self.is_followed_by::<40>(NEXT_HEADER, bindings::IPPROTO_ICMPV6),
        }
    }

    /// Returns whether an IP packet of the same family follows the network header; false if that is
    /// not in the linear part.
    pub(in crate::net) fn is_tunnel(&self, family: Family) -> bool {
        match family {
            Family::Inet => self.is_followed_by::<20>(PROTOCOL, bindings::IPPROTO_IPIP),
            Family::Inet6 => self.is_followed_by::<40>(NEXT_HEADER, bindings::IPPROTO_IPV6),
        }
    }

    /// Returns where the network header begins, in bytes behind `skb->head`.
    fn network_offset(&self) -> usize {
        // SAFETY: All members of the union are views of the same bytes.
        unsafe {
            self.fields()
                .__bindgen_anon_4
                .headers
                .as_ref()
                .network_header
        }
        .into()
    }

    /// Returns where the transport header begins, in bytes behind `skb->head`; `u16::MAX` if nobody
    /// has said.
    fn transport_offset(&self) -> usize {
        // SAFETY: All members of the union are views of the same bytes.
        unsafe {
            self.fields()
                .__bindgen_anon_4
                .headers
                .as_ref()
                .transport_header
        }
        .into()
    }

    /// Lets the transport header begin behind the network header, unless somebody has said where it
    /// begins.
    ///
    /// The IP stack says so. But a packet may have been redirected to the device without coming
    /// through the IP stack.
    pub(crate) fn ensure_transport_header(&mut self, family: Family) {
        const UNSET: usize = u16::MAX as usize;

        if self.transport_offset() != UNSET {
            return;
        }
        let len = match (family, self.network_header()) {
            (Family::Inet, Some([first])) => u16::from(first & 0xf) * 4,
            // CAST: The header has 40 bytes.
            _ => size_of::<bindings::ipv6hdr>() as u16,
        };
        // SAFETY: The packet is valid and borrowed exclusively; all members of the union are views
        // of the same bytes.
        let headers = unsafe { (*self.as_raw()).__bindgen_anon_4.headers.as_mut() };
        headers.transport_header = headers.network_header.saturating_add(len);
    }

    /// Returns `N` bytes of the linear part, from `offset` bytes behind `skb->head`; `None` if they
    /// are not all there.
    fn bytes_from_head<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let skb = self.fields();
        // The tail is an offset on 64-bit kernels, which are the only ones that this module
        // supports.
        if offset.checked_add(N)? > u32_as_usize(skb.tail) {
            return None;
        }
        // SAFETY: The linear part reaches from `head` to `tail`, and so holds these bytes.
        Some(unsafe { *skb.head.add(offset).cast() })
    }

    /// Returns `N` bytes of the linear part, from `offset` bytes into the packet; `None` if they
    /// are not all there.
    pub(crate) fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let skb = self.fields();
        // SAFETY: Both pointers are into the same buffer.
        let data = unsafe { skb.data.offset_from(skb.head) };
        self.bytes_from_head(usize::try_from(data).ok()?.checked_add(offset)?)
    }

    /// Returns `N` bytes, from `offset` bytes into the packet, in the linear part or behind it
    /// (`skb_copy_bits()`); `None` if the packet is shorter.
    pub(in crate::net) fn bytes_anywhere<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let offset = c_int::try_from(offset).ok()?;
        // CAST: Callers want only a few bytes.
        let len = N as c_int;
        // SAFETY: The packet is valid, and the array takes so many bytes.
        let err = unsafe {
            bindings::skb_copy_bits(self.as_raw(), offset, bytes.as_mut_ptr().cast(), len)
        };
        (err == 0).then_some(bytes)
    }

    /// Returns the first `N` bytes of the network header; `None` if they are not all in the linear
    /// part.
    pub(crate) fn network_header<const N: usize>(&self) -> Option<[u8; N]> {
        self.bytes_from_head(self.network_offset())
    }

    /// Returns type and code of the ICMP or ICMPv6 message at the transport header; `None` if they
    /// are not in the linear part.
    pub(crate) fn icmp_type_code(&self) -> Option<(u8, u8)> {
        let [kind, code] = self.bytes_from_head(self.transport_offset())?;
        Some((kind, code))
    }

    /// Returns the protocol in the IPv4 header; 0 if it is not in the linear part.
    pub(in crate::net) fn ip_protocol(&self) -> u8 {
        let offset = self.network_offset() + offset_of!(bindings::iphdr, protocol);
        self.bytes_from_head(offset)
            .map_or(0, |[protocol]| protocol)
    }

    /// Returns the protocol that the IPv6 stack has found behind the extension headers, as its
    /// control block says (`IP6CB(skb)->nhoff`); 0 if it is not in the linear part.
    pub(in crate::net) fn ip6_protocol(&self) -> u8 {
        let cb = (&raw const self.fields().cb).cast::<bindings::inet6_skb_parm>();
        // SAFETY: The control block has room for this, and any bytes are valid values of it.
        let offset = unsafe { (&raw const (*cb).nhoff).read_unaligned() };
        self.bytes_from_head(self.network_offset() + usize::from(offset))
            .map_or(0, |[protocol]| protocol)
    }

    /// Clears the part of the control block that the IP stack of `family` uses (`IPCB()`,
    /// `IP6CB()`). What it contains belongs to the layer that had the packet before.
    pub(crate) fn clear_ip_control_block(&mut self, family: Family) {
        let len = match family {
            Family::Inet => size_of::<bindings::inet_skb_parm>(),
            Family::Inet6 => size_of::<bindings::inet6_skb_parm>(),
        };
        // SAFETY: The packet is valid and borrowed exclusively.
        let cb = unsafe { &mut (*self.as_raw()).cb };
        if let Some(cb) = cb.get_mut(..len) {
            cb.fill(0);
        }
    }

    /// Returns whether the packet is to be cut into segments (`skb_is_gso()`).
    fn is_gso(&self) -> bool {
        let skb = self.fields();
        // The end is an offset on 64-bit kernels, which are the only ones that this module
        // supports.
        //
        // SAFETY: Behind the end of the buffer lies the structure that describes the fragments.
        unsafe {
            let end = skb.head.add(u32_as_usize(skb.end));
            (*end.cast::<bindings::skb_shared_info>()).gso_size != 0
        }
    }

    /// Returns whether the packet is larger than `mtu` bytes. If it is to be cut into segments, it
    /// is the size of these that counts (`skb_gso_validate_network_len()`).
    pub(crate) fn exceeds(&self, mtu: u32) -> bool {
        // The kernel reads the transport header, which may be said to lie outside of the packet.
        if self.is_gso() && self.bytes_from_head::<0>(self.transport_offset()).is_some() {
            // SAFETY: The packet is valid, has segments, and its transport header begins in the
            // linear part, behind which there is more in the buffer than a header takes.
            !unsafe { bindings::skb_gso_validate_network_len(self.as_raw(), mtu) }
        } else {
            self.len() > mtu
        }
    }
}
