// SPDX-License-Identifier: GPL-2.0

//! Packets.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

use crate::{
    bindings,
    net::{
        device::NetDevice,
        dst::{
            Attached,
            Dst, //
        },
        xfrm::State,
        Family, //
    }, //
};

use core::{
    mem::ManuallyDrop,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    types::Opaque, //
};

/// Why a packet is dropped, as `skb:kfree_skb` shows it (`enum skb_drop_reason`).
#[derive(Clone, Copy)]
pub(crate) struct DropReason(bindings::skb_drop_reason);

impl DropReason {
    /// A protocol that the device does not carry.
    pub(crate) const UNHANDLED_PROTO: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_UNHANDLED_PROTO);
    /// No route to the destination.
    pub(crate) const NO_ROUTE: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_IP_OUTNOROUTES);
    /// A device that takes metadata got a packet without.
    pub(crate) const NO_METADATA: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_TUNNEL_TXINFO);
    /// IPsec policy: blocked, not covered, or covered but not negotiated.
    pub(crate) const XFRM_POLICY: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_XFRM_POLICY);
    /// The packet would come back to the device that sends it.
    pub(crate) const LOOP: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_RECURSION_LIMIT);
    /// The device has been unregistered.
    pub(crate) const DEVICE_NOT_READY: Self =
        Self(bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY);
    /// Larger than the path takes.
    pub(crate) const TOO_BIG: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG);
    /// Dropped by mistake of the code that had the packet.
    const NOT_SPECIFIED: Self = Self(bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED);
}

#[cfg(not(CONFIG_64BIT))]
compile_error!("`tail` and `end` of a packet are pointers on 32-bit kernels, and here offsets");

/// A packet that somebody else owns.
///
/// A reference stands for where the packet is. The type has no bytes, so that swapping two packets, for
/// which exclusive references are enough, changes nothing.
#[repr(C)]
pub(crate) struct Skb([Opaque<bindings::sk_buff>; 0]);

const _: () = assert!(size_of::<Skb>() == 0);

/// A packet that we own. It ends by being sent, freed with a reason, or handed to the kernel.
///
/// # Invariants
///
/// The pointer is to a packet of which this value holds the reference.
pub(crate) struct SkBuff(NonNull<Skb>);

impl Deref for SkBuff {
    type Target = Skb;

    fn deref(&self) -> &Skb {
        // SAFETY: The type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for SkBuff {
    fn deref_mut(&mut self) -> &mut Skb {
        // SAFETY: The type invariant.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for SkBuff {
    fn drop(&mut self) {
        // Not reached by correct code; visible, and without a leak, if it is.
        self.consume(DropReason::NOT_SPECIFIED);
    }
}

impl SkBuff {
    /// # Safety
    ///
    /// `skb` is a packet whose reference the caller hands over.
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        // INVARIANT: The contract of this function.
        // SAFETY: Packets are not at address zero.
        Self(unsafe { NonNull::new_unchecked(skb.cast()) })
    }

    /// Hands the packet to the kernel.
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).as_raw()
    }

    fn consume(&mut self, reason: DropReason) {
        // SAFETY: The reference is ours, and both callers never use it again.
        unsafe { bindings::sk_skb_reason_drop(core::ptr::null(), self.as_raw(), reason.0) };
    }

    /// Frees the packet, for `reason`.
    pub(crate) fn free(self, reason: DropReason) {
        ManuallyDrop::new(self).consume(reason);
    }
}

impl Skb {
    /// # Safety
    ///
    /// `skb` is a packet that is the caller's to use for `'a`.
    pub(super) unsafe fn from_raw<'a>(skb: *mut bindings::sk_buff) -> &'a mut Self {
        // SAFETY: The alignment is the same, and the contract is the caller's.
        unsafe { &mut *skb.cast() }
    }

    pub(super) fn as_raw(&self) -> *mut bindings::sk_buff {
        core::ptr::from_ref(self).cast_mut().cast()
    }

    fn fields(&self) -> &bindings::sk_buff {
        // SAFETY: The packet is valid, and whoever has a shared reference changes nothing of it.
        unsafe { &*self.as_raw() }
    }

    /// The length in bytes, from the network header on when the packet is in the IP stack.
    pub(crate) fn len(&self) -> u32 {
        self.fields().len
    }

    /// The device that the packet came in or goes out through.
    pub(crate) fn device<'g>(&self, _rcu: &'g rcu::Guard) -> Option<&'g NetDevice> {
        // SAFETY: Packets that devices and protocols handle have this member of the union.
        let dev = unsafe {
            self.fields()
                .__bindgen_anon_1
                .__bindgen_anon_1
                .__bindgen_anon_1
                .dev
        };
        // SAFETY: A packet is handled in critical sections that the removal of a device waits for.
        (!dev.is_null()).then(|| unsafe { NetDevice::from_raw(dev) })
    }

    /// Makes `dev` the device that the packet came in or goes out through. A packet is handled in a
    /// critical section, and a device that was found registered in that, or in one inside of it, is there
    /// until it ends; so the packet needs no reference to it.
    pub(crate) fn set_device(&mut self, dev: &NetDevice, _rcu: &rcu::Guard) {
        // SAFETY: The packet is valid and borrowed exclusively.
        let skb = unsafe { &mut *self.as_raw() };
        skb.__bindgen_anon_1.__bindgen_anon_1.__bindgen_anon_1.dev = dev.as_raw();
    }

    /// The address family of the packet, going by the protocol of the link layer.
    pub(crate) fn family(&self) -> Option<Family> {
        // SAFETY: All members of the union are views of the same bytes.
        let protocol = unsafe { self.fields().__bindgen_anon_4.headers.as_ref().protocol };
        match u32::from(u16::from_be(protocol)) {
            bindings::ETH_P_IP => Some(Family::Inet),
            bindings::ETH_P_IPV6 => Some(Family::Inet6),
            _ => None,
        }
    }

    /// Makes the network header of the packet's protocol contiguous in memory. Fails, with the
    /// reason for the drop, when the packet is too short for it or memory is.
    pub(crate) fn pull_network_header(&mut self) -> Result<(), DropReason> {
        // SAFETY: The packet is valid and borrowed exclusively.
        // CAST: The helper returns the number of a reason.
        match unsafe { bindings::net_helper_pskb_inet_may_pull(self.as_raw()) } as c_uint {
            0 => Ok(()),
            reason => Err(DropReason(reason)),
        }
    }

    /// Whether the IPv4 packet must not be fragmented (`IP_DF`). False if it has no whole header.
    pub(crate) fn dont_fragment(&self) -> bool {
        let offset = self.network_offset() + core::mem::offset_of!(bindings::iphdr, frag_off);
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
        // SAFETY: The packet is valid and borrowed exclusively; all members of the union are views of
        // the same bytes.
        let headers = unsafe { (*self.as_raw()).__bindgen_anon_4.headers.as_mut() };
        headers.transport_header = headers.network_header.saturating_add(len);
    }

    /// `N` bytes of the linear part, from `offset` bytes behind `skb->head`.
    fn bytes_from_head<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let skb = self.fields();
        // CAST: The tail is an offset on 64-bit kernels, which this module is for.
        if offset.checked_add(N)? > skb.tail as usize {
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
    pub(super) fn bytes_anywhere<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
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

    /// What a security module calls the packet's flow; 0 if there is none.
    pub(crate) fn secid(&self) -> u32 {
        // SAFETY: The packet is valid.
        unsafe { bindings::net_helper_skb_secid(self.as_raw()) }
    }

    /// Type and code of the ICMP or ICMPv6 message at the transport header.
    pub(crate) fn icmp_type_code(&self) -> Option<(u8, u8)> {
        let [kind, code] = self.bytes_from_head(self.transport_offset())?;
        Some((kind, code))
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
        // CAST: The end is an offset on 64-bit kernels, which this module is for.
        // SAFETY: Behind the end of the buffer lies the structure that describes the fragments.
        unsafe {
            let end = skb.head.add(skb.end as usize);
            (*end.cast::<bindings::skb_shared_info>()).gso_size != 0
        }
    }

    /// Whether the packet is, or with segmentation consists of, more bytes than `mtu`.
    pub(crate) fn exceeds(&self, mtu: u32) -> bool {
        // The kernel looks into the transport header, which may be said to be nowhere.
        if self.is_gso() && self.bytes_from_head::<0>(self.transport_offset()).is_some() {
            // SAFETY: The packet is valid, has segments, and its transport header begins in the linear
            // part, behind which there is more in the buffer than a header takes.
            !unsafe { bindings::skb_gso_validate_network_len(self.as_raw(), mtu) }
        } else {
            self.len() > mtu
        }
    }

    fn refdst(&self) -> c_ulong {
        // SAFETY: Packets outside of TCP's lists have this member of the union.
        unsafe { self.fields().__bindgen_anon_3.__bindgen_anon_1._skb_refdst }
    }

    /// The route or metadata that is attached to the packet, which holds a reference to it.
    pub(crate) fn attached(&mut self) -> Attached<'_> {
        // CAST: The bit is the lowest one.
        const NOREF: c_ulong = bindings::SKB_DST_NOREF as c_ulong;

        if self.refdst() & NOREF != 0 {
            // SAFETY: The packet is valid and borrowed exclusively; a dst without a reference is
            // attached only within a critical section.
            unsafe { bindings::net_helper_skb_dst_force(self.as_raw()) };
        }
        // CAST: Apart from that bit, the field is a pointer.
        let dst = (self.refdst() & !NOREF) as *const bindings::dst_entry;
        if dst.is_null() {
            return Attached::Nothing;
        }
        // SAFETY: The packet holds a reference for as long as the dst is attached.
        unsafe { Attached::from_raw(dst) }
    }

    /// Attaches `route` instead of what was attached.
    pub(crate) fn attach(&mut self, route: ARef<Dst>) {
        // SAFETY: The reference is ours.
        unsafe { self.attach_raw(Dst::into_raw(route)) };
    }

    /// # Safety
    ///
    /// The caller hands over a reference to `dst`.
    pub(super) unsafe fn attach_raw(&mut self, dst: *mut bindings::dst_entry) {
        // SAFETY: The packet is valid and borrowed exclusively.
        unsafe { bindings::net_helper_skb_dst_drop(self.as_raw()) };
        // SAFETY: As above, nothing is attached now, and the reference goes to the packet.
        unsafe { bindings::net_helper_skb_dst_set(self.as_raw(), dst) };
    }

    /// Takes off whatever is attached.
    pub(crate) fn detach(&mut self) {
        // SAFETY: The packet is valid and borrowed exclusively.
        unsafe { bindings::net_helper_skb_dst_drop(self.as_raw()) };
    }

    /// Tells whoever attached a route that it leads nowhere.
    pub(crate) fn link_failure(&mut self) {
        if matches!(self.attached(), Attached::Route(_)) {
            // SAFETY: The packet is valid, and what is attached is a route.
            unsafe { bindings::net_helper_dst_link_failure(self.as_raw()) };
        }
    }

    /// Tells the route that is attached that its path takes no more than `mtu` bytes.
    pub(crate) fn update_pmtu(&mut self, mtu: u32) {
        if matches!(self.attached(), Attached::Route(_)) {
            // SAFETY: The packet is valid, and what is attached is a route.
            unsafe { bindings::net_helper_skb_dst_update_pmtu_no_confirm(self.as_raw(), mtu) };
        }
    }

    fn sec_path(&self) -> Option<&bindings::sec_path> {
        // CAST: There are few kinds of extensions.
        const ID: usize = bindings::skb_ext_id_SKB_EXT_SEC_PATH as usize;

        let skb = self.fields();
        if usize::from(skb.active_extensions) & (1 << ID) == 0 {
            return None;
        }
        // SAFETY: The packet has extensions, this one among them, which lies at its offset in units of 8
        // bytes. It belongs to the packet.
        unsafe {
            let offset = usize::from((*skb.extensions).offset[ID]) * 8;
            Some(&*skb.extensions.byte_add(offset).cast())
        }
    }

    /// The last of the IPsec states that the packet came through, if it did, and the one before.
    fn last_states(&self) -> Option<(Option<&State>, &State)> {
        let path = self.sec_path()?;
        // SAFETY: The path holds references to its states.
        let state = |raw| unsafe { State::from_raw(raw) };
        match *path.xvec.get(..usize::from(path.len))? {
            [.., before, last] => Some((Some(state(before)), state(last))),
            [last] => Some((None, state(last))),
            [] => None,
        }
    }

    /// The last of the IPsec states that the packet came through, if it did.
    pub(crate) fn last_state(&self) -> Option<&State> {
        Some(self.last_states()?.1)
    }

    /// Of the IPsec states that the packet came through, if it did, the one that says which
    /// connection it belongs to: the last.
    ///
    /// But what IPComp did not compress comes through a state that all connections between two
    /// addresses share. If another protected it on its way, that one is the connection's own.
    pub(crate) fn connection(&self) -> Option<&State> {
        match self.last_states()? {
            (Some(before), last) if last.is_shared() && !before.is_tunnel() => Some(before),
            (_, last) => Some(last),
        }
    }

    /// Whether the packet came through IPsec, in software or in a device, and a policy check has
    /// yet to see all of it.
    pub(crate) fn is_unverified(&self) -> bool {
        self.sec_path()
            .is_some_and(|path| path.len > path.verified_cnt || path.olen != 0)
    }

    /// The index of the device in a VRF through which the packet came into that; 0 if it did not.
    pub(crate) fn vrf_member_ifindex(&self, family: Family) -> c_int {
        // SAFETY: The packet is valid, and the control block is that of `family`.
        unsafe {
            match family {
                Family::Inet => bindings::net_helper_inet_sdif(self.as_raw()),
                Family::Inet6 => bindings::net_helper_inet6_sdif(self.as_raw()),
            }
        }
    }

    /// The mark, in host byte order.
    pub(crate) fn mark(&self) -> u32 {
        // SAFETY: The packet is valid, and has its mark there.
        unsafe { *self.as_raw().byte_add(bindings::NET_HELPER_SKB_MARK).cast() }
    }
}
