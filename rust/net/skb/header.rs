// SPDX-License-Identifier: GPL-2.0

//! What is in a packet: its headers, and how large it is.

use super::{
    DropReason,
    SkBuff, //
};

use crate::{
    bindings,
    net::Family, //
};

use core::mem::offset_of;

use kernel::{
    num::casts::u32_as_usize,
    prelude::*, //
};

impl SkBuff {
    /// Makes the network header of the packet's protocol contiguous in memory. Fails, with the
    /// reason for the drop, when the packet is too short for it or memory is.
    pub(crate) fn pull_network_header(&mut self) -> Result<(), DropReason> {
        // SAFETY: The packet is valid and borrowed exclusively.
        match unsafe { bindings::pskb_inet_may_pull_reason(self.as_raw()) } {
            bindings::skb_drop_reason_SKB_NOT_DROPPED_YET => Ok(()),
            reason => Err(DropReason(reason)),
        }
    }

    /// Whether the IPv4 packet must not be fragmented (`IP_DF`). False if it has no whole header.
    pub(crate) fn dont_fragment(&self) -> bool {
        let offset = self.network_offset() + offset_of!(bindings::iphdr, frag_off);
        self.bytes_from_head(offset)
            .is_some_and(|frag_off| u32::from(u16::from_be_bytes(frag_off)) & bindings::IP_DF != 0)
    }

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

    /// Lets the transport header begin behind the network header, unless somebody has said where.
    /// The IP stack does so, which a packet that was redirected has not seen.
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

    /// `N` bytes of the linear part, from `offset` bytes behind `skb->head`.
    fn bytes_from_head<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let skb = self.fields();
        // The tail is an offset on 64-bit kernels, which this module is for.
        if offset.checked_add(N)? > u32_as_usize(skb.tail) {
            return None;
        }
        // SAFETY: The linear part reaches from `head` to `tail`, and so holds these bytes.
        Some(unsafe { *skb.head.add(offset).cast() })
    }

    /// `N` bytes of the linear part, from `offset` bytes into the packet.
    pub(crate) fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let skb = self.fields();
        // SAFETY: Both pointers are into the same buffer.
        let data = unsafe { skb.data.offset_from(skb.head) };
        self.bytes_from_head(usize::try_from(data).ok()?.checked_add(offset)?)
    }

    /// `N` bytes, from `offset` bytes into the packet, wherever they are.
    pub(in crate::net) fn bytes_anywhere<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        let offset = c_int::try_from(offset).ok()?;
        // CAST: Callers want a few bytes.
        let len = N as c_int;
        // SAFETY: The packet is valid, and the array takes so many bytes.
        let err = unsafe {
            bindings::skb_copy_bits(self.as_raw(), offset, bytes.as_mut_ptr().cast(), len)
        };
        (err == 0).then_some(bytes)
    }

    /// `N` bytes from the network header on, if so many are in the linear part.
    pub(crate) fn network_header<const N: usize>(&self) -> Option<[u8; N]> {
        self.bytes_from_head(self.network_offset())
    }

    /// Type and code of the ICMP or ICMPv6 message at the transport header.
    pub(crate) fn icmp_type_code(&self) -> Option<(u8, u8)> {
        let [kind, code] = self.bytes_from_head(self.transport_offset())?;
        Some((kind, code))
    }

    /// The protocol in the IPv4 header, which is in the linear part; 0 if it is not.
    pub(in crate::net) fn ip_protocol(&self) -> u8 {
        let offset = self.network_offset() + offset_of!(bindings::iphdr, protocol);
        self.bytes_from_head(offset)
            .map_or(0, |[protocol]| protocol)
    }

    /// The protocol that the IPv6 stack has found behind the extension headers, as its control
    /// block says (`IP6CB(skb)->nhoff`); 0 if that is not in the linear part.
    pub(in crate::net) fn ip6_protocol(&self) -> u8 {
        let cb = (&raw const self.fields().cb).cast::<bindings::inet6_skb_parm>();
        // SAFETY: The control block has room for this, and any bytes are valid values of it.
        let offset = unsafe { (&raw const (*cb).nhoff).read_unaligned() };
        self.bytes_from_head(self.network_offset() + usize::from(offset))
            .map_or(0, |[protocol]| protocol)
    }

    /// Clears the part of the control block that the IP stack of `family` uses, which belongs to
    /// the layer that had the packet before.
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

    /// Whether the packet is to be cut into segments.
    fn is_gso(&self) -> bool {
        let skb = self.fields();
        // The end is an offset on 64-bit kernels, which this module is for.
        //
        // SAFETY: Behind the end of the buffer lies the structure that describes the fragments.
        unsafe {
            let end = skb.head.add(u32_as_usize(skb.end));
            (*end.cast::<bindings::skb_shared_info>()).gso_size != 0
        }
    }

    /// Whether the packet is, or with segmentation consists of, more bytes than `mtu`.
    pub(crate) fn exceeds(&self, mtu: u32) -> bool {
        // The kernel looks into the transport header, which may be said to be nowhere.
        if self.is_gso() && self.bytes_from_head::<0>(self.transport_offset()).is_some() {
            // SAFETY: The packet is valid, has segments, and its transport header begins in the
            // linear part, behind which there is more in the buffer than a header takes.
            !unsafe { bindings::skb_gso_validate_network_len(self.as_raw(), mtu) }
        } else {
            self.len() > mtu
        }
    }
}
