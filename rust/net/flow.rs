// SPDX-License-Identifier: GPL-2.0

//! Flows: the keys of route and policy look-ups.
//!
//! A [`Flow`] is made from a packet and says everything that decides its route and its IPsec
//! policy: addresses, protocol, ports, TOS and mark. To make one, the kernel dissects the packet. A
//! [`FlowKey`] is smaller and faster. It tells whether two packets belong to the same flow, so that
//! a cache can answer for the second one.
//!
//! Both can be made in any context in which the packet may be used.
//!
//! C header: [`include/net/flow.h`](srctree/include/net/flow.h)
//!
//! # Examples
//!
//! A device finds the route that a packet takes:
//!
//! ```
//! use crate::net::{
//!     dst::Dst,
//!     flow::Flow,
//!     net_namespace::Net,
//!     skb::SkBuff, //
//! };
//!
//! use kernel::sync::aref::ARef;
//!
//! fn route(skb: &SkBuff, net: &Net, ifindex: c_int) -> Result<ARef<Dst>> {
//!     let family = skb.family().ok_or(EAFNOSUPPORT)?;
//!     let mut flow = Flow::of(skb, family, net)?;
//!     flow.set_output_device(ifindex);
//!     flow.route(net)
//! }
//! # let _: fn(&SkBuff, &Net, c_int) -> Result<ARef<Dst>> = route;
//! ```
//!
//! Packets with equal keys have equal flows:
//!
//! ```
//! use crate::net::{
//!     flow::FlowKey,
//!     Family, //
//! };
//! # use crate::net::tests::packet::packet;
//!
//! // UDP from 10.1.0.1 to 10.2.0.2, from port 1000 to port 2000.
//! let mut bytes = [
//!     0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2, 3, 232, 7, 208, 0, 8,
//!     0, 0,
//! ];
//! let first = FlowKey::of(&*packet(&bytes)?, Family::Inet);
//! assert!(first.is_some());
//!
//! // The TTL is no part of the flow.
//! bytes[8] = 32;
//! assert!(FlowKey::of(&*packet(&bytes)?, Family::Inet) == first);
//!
//! // The destination port is.
//! bytes[23] = 209;
//! assert!(FlowKey::of(&*packet(&bytes)?, Family::Inet) != first);
//! ```

use super::atomic::{
    self,
    read_once, //
};

use crate::{
    bindings,
    compat::casts::u32_into_u8,
    net::{
        dst::{
            Dst,
            Router, //
        },
        net_namespace::Net,
        skb::SkBuff,
        Family, //
    }, //
};

use core::ptr;

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    }, //
};

/// Whether a security module labels flows. That does not change after the boot.
static LABELS: Atomic<bool> = Atomic::new(true);

/// Finds out what keys of flows have to be made of. To be called in process context, before there
/// are packets.
pub(crate) fn init() {
    // SAFETY: In process context.
    let labels = unsafe { bindings::datapath_flows_have_labels() };
    LABELS.store(labels, Relaxed);
}

impl Net {
    /// Returns whether a BPF program decides which flow a packet of this namespace belongs to
    /// (`BPF_FLOW_DISSECTOR`).
    #[inline]
    pub(crate) fn has_flow_dissector(&self) -> bool {
        // CAST: The number is zero.
        const AT: usize = bindings::netns_bpf_attach_type_NETNS_BPF_FLOW_DISSECTOR as usize;

        let first = (&raw const kernel::bindings::init_net).cast_mut().cast();
        [self.as_raw(), first]
            .iter()
            .any(|net: &*mut bindings::net| {
                // SAFETY: Both namespaces are live; others write the whole field.
                !unsafe { read_once(&raw const (**net).bpf.run_array[AT]) }.is_null()
            })
    }
}

/// The part of a packet that decides its flow: packets with equal keys have equal flows
/// ([`Flow::of`]), unless [`Net::has_flow_dissector`].
///
/// A key is made from the header alone, and only for simple packets: TCP, UDP and ICMP without
/// options, extension headers and fragments.
#[derive(Clone, Copy)]
pub(crate) struct FlowKey {
    /// Ports, family, protocol and TOS; then mark and label; then the first addresses.
    words: [u64; FlowKey::WORDS],
    /// The remaining addresses of IPv6.
    more: Option<[u64; FlowKey::MORE]>,
}

impl FlowKey {
    /// The number of words that every key has.
    pub(crate) const WORDS: usize = 3;
    /// The number of words that a key of IPv6 has in addition.
    pub(crate) const MORE: usize = 3;

    /// Returns the key of a packet, or `None` if the packet is not a simple one. If there is a key,
    /// the network header is contiguous in memory.
    #[inline]
    pub(crate) fn of(skb: &SkBuff, family: Family) -> Option<Self> {
        let (addresses, more, protocol, tos, ports) = match family {
            Family::Inet => Self::inet(skb)?,
            Family::Inet6 => Self::inet6(skb)?,
        };
        // A flow has what stands in the place of the ports of TCP and UDP; for ICMP, type and code.
        let ports = match protocol.into() {
            bindings::IPPROTO_TCP | bindings::IPPROTO_UDP => u32::from_ne_bytes(ports),
            bindings::IPPROTO_ICMP if family == Family::Inet => {
                u32::from_ne_bytes([ports[0], ports[1], 0, 0])
            }
            bindings::IPPROTO_ICMPV6 if family == Family::Inet6 => {
                u32::from_ne_bytes([ports[0], ports[1], 0, 0])
            }
            _ => return None,
        };
        let header = u64::from(ports) << 32
            | u64::from(family.as_raw()) << 16
            | u64::from(protocol) << 8
            | u64::from(tos);
        // The question costs time even where no security module answers it.
        let label = if atomic::load(&LABELS) {
            // The packet may have come through states with different labels, and then has no flow.
            if skb.has_sec_path() {
                return None;
            }
            skb.secid()
        } else {
            0
        };
        let labels = u64::from(skb.mark()) << 32 | u64::from(label);
        Some(Self {
            words: [header, labels, addresses],
            more,
        })
    }

    /// Returns the addresses, protocol, TOS and first bytes behind the header of an IPv4 packet.
    #[inline]
    fn inet(skb: &SkBuff) -> Option<Parts> {
        // Version 4 and five words of header; the bits of the offset and of "more fragments".
        const FIRST: u8 = 0x45;
        const FRAGMENT: u16 = 0x3fff;

        let header: [u8; 24] = skb.network_header()?;
        let [FIRST, tos, _, _, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3, ports @ ..] =
            header
        else {
            return None;
        };
        if u16::from_be_bytes([f0, f1]) & FRAGMENT != 0 {
            return None;
        }
        let addresses = u64::from_ne_bytes([s0, s1, s2, s3, d0, d1, d2, d3]);
        Some((addresses, None, protocol, tos, ports))
    }

    /// Returns the same parts of an IPv6 packet. The traffic class is no part of its flow.
    #[inline]
    fn inet6(skb: &SkBuff) -> Option<Parts> {
        let header: [u8; 44] = skb.network_header()?;
        let (fixed, rest) = header.split_first_chunk::<8>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (addresses, ports) = rest.split_first_chunk::<24>()?;
        let mut more = [0; 3];
        for (word, bytes) in more.iter_mut().zip(addresses.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().ok()?);
        }
        let first = u64::from_ne_bytes(*first);
        Some((first, Some(more), fixed[6], 0, ports.try_into().ok()?))
    }

    /// Returns the words of the key. Keys differ if any of their words do. Keys with equal first
    /// words have the same number of words.
    pub(crate) fn words(&self) -> ([u64; FlowKey::WORDS], Option<[u64; FlowKey::MORE]>) {
        (self.words, self.more)
    }
}

impl PartialEq for FlowKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        // A comparison of arrays would call memcmp().
        let equal = |a: &[u64], b: &[u64]| core::iter::zip(a, b).all(|(a, b)| a == b);
        equal(&self.words, &other.words)
            && match (&self.more, &other.more) {
                (None, None) => true,
                (Some(a), Some(b)) => equal(a, b),
                _ => false,
            }
    }
}

/// The first word and the other words of the addresses, the protocol, the TOS, and the first bytes
/// behind the header.
type Parts = (u64, Option<[u64; FlowKey::MORE]>, u8, u8, [u8; 4]);

/// The key of a flow, in the format of one address family (`struct flowi`).
pub(crate) struct Flow {
    raw: bindings::flowi,
    family: Family,
}

impl Flow {
    /// Makes the flow to which a packet belongs, from its addresses, protocol, ports, TOS and mark
    /// (`__xfrm_decode_session()`).
    ///
    /// The network header has to be contiguous in memory. If the transport header is missing, its
    /// part of the flow stays zero. Fails with `EAFNOSUPPORT` if the kernel does not know `family`.
    pub(crate) fn of(skb: &SkBuff, family: Family, net: &Net) -> Result<Self> {
        let mut raw: bindings::flowi = pin_init::zeroed();
        // SAFETY: The packet and the namespace are live, the flow is valid for writes. The kernel
        // takes what it reads from the packet through the flow dissector, which checks its length.
        kernel::error::to_result(unsafe {
            bindings::__xfrm_decode_session(
                net.as_raw(),
                skb.as_raw(),
                &raw mut raw,
                family.as_raw().into(),
                0,
            )
        })?;
        Ok(Self { raw, family })
    }

    /// Restricts the flow to the device with the index `ifindex`; 0 stands for any device.
    pub(crate) fn set_output_device(&mut self, ifindex: c_int) {
        self.common().flowic_oif = ifindex;
    }

    /// Allows a source address that is not configured on this host (`FLOWI_FLAG_ANYSRC`).
    pub(crate) fn allow_any_source(&mut self) {
        self.common().flowic_flags |= u32_into_u8::<{ bindings::FLOWI_FLAG_ANYSRC }>();
    }

    /// Makes the flow of an ICMP error about a packet of this one, to the sender of that, with the
    /// mark `mark`, in host byte order.
    pub(super) fn error(&self, mark: u32) -> Self {
        let mut raw: bindings::flowi = pin_init::zeroed();
        // SAFETY: This flow is one of this family, and the union zeroed before it was filled in.
        let protocol = unsafe {
            match self.family {
                Family::Inet => {
                    raw.u.ip4.daddr = self.raw.u.ip4.saddr;
                    u32_into_u8::<{ bindings::IPPROTO_ICMP }>()
                }
                Family::Inet6 => {
                    raw.u.ip6.daddr = self.raw.u.ip6.saddr;
                    u32_into_u8::<{ bindings::IPPROTO_ICMPV6 }>()
                }
            }
        };
        let mut error = Self {
            raw,
            family: self.family,
        };
        error.common().flowic_mark = mark;
        error.common().flowic_proto = protocol;
        error
    }

    /// Makes the flow of packets for `router`, with the mark `mark`, in host byte order.
    pub(crate) fn to_router(router: Router, mark: u32) -> Self {
        let mut raw: bindings::flowi = pin_init::zeroed();
        match router.family {
            Family::Inet => raw.u.ip4.daddr = router.address[0],
            Family::Inet6 => raw.u.ip6.daddr.in6_u.u6_addr32 = router.address,
        }
        let mut flow = Self {
            raw,
            family: router.family,
        };
        flow.common().flowic_mark = mark;
        flow
    }

    /// Returns the part of the flow that both families have.
    fn common(&mut self) -> &mut bindings::flowi_common {
        // SAFETY: All members of the union begin with this structure.
        unsafe { &mut self.raw.u.__fl_common }
    }

    /// Returns a pointer to the destination address, in network byte order; its length is that of
    /// the family's addresses.
    pub(super) fn destination(&self) -> *const c_void {
        // SAFETY: The flow is one of this family, and the union zeroed before it was filled in.
        unsafe {
            match self.family {
                Family::Inet => (&raw const self.raw.u.ip4.daddr).cast(),
                Family::Inet6 => (&raw const self.raw.u.ip6.daddr).cast(),
            }
        }
    }

    /// Returns the pointer that C functions take.
    pub(super) fn as_raw(&self) -> *const bindings::flowi {
        &raw const self.raw
    }

    /// Looks up the route that packets of the flow take from `net` (`__ip_route_output_key()`,
    /// `ip6_route_output()`). Fails with the reason if there is none: `ENETUNREACH`,
    /// `EHOSTUNREACH`, `EACCES` and the like. The look-up may fill in the source address of the
    /// flow.
    pub(crate) fn route(&mut self, net: &Net) -> Result<ARef<Dst>> {
        // SAFETY: The namespace is live, and the flow is one of this family. A route of IPv4, or an
        // error in its place, begins with its dst.
        let dst = unsafe {
            match self.family {
                Family::Inet => {
                    let flow = &raw mut self.raw.u.ip4;
                    bindings::__ip_route_output_key(net.as_raw(), flow).cast()
                }
                Family::Inet6 => {
                    let flow = &raw mut self.raw.u.ip6;
                    bindings::ip6_route_output(net.as_raw(), ptr::null(), flow)
                }
            }
        };
        // SAFETY: The look-up returned a route with a reference for us.
        let dst = unsafe { Dst::from_look_up(dst) }?;
        dst.check()?;
        Ok(dst)
    }
}
