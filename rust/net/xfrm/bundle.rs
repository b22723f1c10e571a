// SPDX-License-Identifier: GPL-2.0

//! Bundles of IPsec states that are kept, to be used for more than one packet.
//!
//! The look-up of a bundle ([`lookup_with_ifid`](super::lookup_with_ifid)) is most of what a packet
//! costs before it is encrypted. A [`Bundle`] is the result of one, checked to be one that may be
//! used again. Whoever keeps it has three duties: to tell flows apart as the look-up does, to drop
//! the bundle when something changes that the look-up depends on
//! ([`EventsRegistration`](super::EventsRegistration) tells of most of it), and to ask
//! [`Bundle::is_valid`] before each use.
//!
//! Bundles are made and used under RCU, with softirqs disabled or not. They may be dropped
//! anywhere.
//!
//! C source: [`net/xfrm/xfrm_policy.c`](srctree/net/xfrm/xfrm_policy.c); C header:
//! [`include/net/xfrm.h`](srctree/include/net/xfrm.h), `struct xfrm_dst`
//!
//! # Examples
//!
//! A bundle is looked up for the first packet of a flow, and kept if it may be:
//!
//! ```
//! use crate::net::{
//!     dst::Dst,
//!     flow::Flow,
//!     net_namespace::Net,
//!     pernet::Hold,
//!     xfrm::{
//!         self,
//!         Bundle, //
//!     }, //
//! };
//! use kernel::sync::{
//!     aref::ARef,
//!     rcu, //
//! };
//!
//! /// Looks up the bundle for `flow`. `hold` is of `net`, which is the only namespace here.
//! fn find(
//!     net: &Net,
//!     hold: Hold,
//!     route: ARef<Dst>,
//!     flow: &Flow,
//!     if_id: u32,
//!     rcu: &rcu::Guard,
//! ) -> Result<(ARef<Dst>, Option<Bundle>)> {
//!     let dst = xfrm::lookup_with_ifid(net, route, flow, if_id)?;
//!     // Where no policy applies it is the route, which is no bundle.
//!     let bundle = Bundle::new(&dst, flow, (hold, None), rcu);
//!     Ok((dst, bundle))
//! }
//!
//! /// What the next packet of the flow is sent through, if the bundle is still good.
//! fn again(bundle: &Bundle, rcu: &rcu::Guard) -> Option<ARef<Dst>> {
//!     if !bundle.is_valid(rcu) {
//!         return None;
//!     }
//!     bundle.stamp_policies();
//!     Some(bundle.dst())
//! }
//! # type Found = Result<(ARef<Dst>, Option<Bundle>)>;
//! # let _: fn(&Net, Hold, ARef<Dst>, &Flow, u32, &rcu::Guard) -> Found = find;
//! # let _: fn(&Bundle, &rcu::Guard) -> Option<ARef<Dst>> = again;
//! ```

use crate::{
    bindings,
    compat::casts::{
        u32_as_usize,
        u32_into_u8, //
    },
    net::{
        atomic::{
            read_once,
            write_once, //
        },
        dst::Dst,
        flow::Flow,
        net_namespace::Net,
        pernet::Hold,
        xfrm::State,
        Family, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    }, //
};

/// A route through IPsec states (`struct xfrm_dst`): what the policies say about a flow, together
/// with the states that were found for it.
///
/// A bundle may be kept. The namespaces that it refers to wait for it when they go, so whoever
/// keeps bundles drops them in [`NamespaceOps::exit`](crate::net::link::NamespaceOps::exit).
///
/// # Invariants
///
/// The dst has a state, and is the first field of a `struct xfrm_dst`. `holds` are of the
/// namespaces of its policies and states, of its device, and of the route that it is upon.
pub(crate) struct Bundle {
    /// The bundle itself. Before `holds`, because fields are dropped in this order.
    dst: ARef<Dst>,
    /// Keeps the namespaces of the policies and states, and of the device if that is another one.
    holds: (Hold, Option<Hold>),
}

// SAFETY: `struct xfrm_dst` is shared between CPUs; the methods here take that into account. The
// namespaces that it refers to outlive it, wherever it is put.
unsafe impl Send for Bundle {}

impl Dst {
    /// The first state that packets go through, if this is a bundle.
    pub(crate) fn state(&self) -> Option<&State> {
        // SAFETY: The dst is live and holds a reference to its state.
        let state = unsafe { (*self.as_raw()).xfrm };
        // SAFETY: As above.
        (!state.is_null()).then(|| unsafe { State::from_raw(state) })
    }

    /// The size of the largest packet that can be sent, in bytes.
    ///
    /// That is [`Dst::mtu`], made faster for bundles. A bundle that was checked has an MTU of its
    /// own among its metrics, and returns that before it asks the route; so it is read here first.
    pub(crate) fn bundle_mtu(&self) -> u32 {
        /// The bits of the pointer to the metrics that are flags.
        const FLAGS: c_ulong = u32_as_usize(bindings::DST_METRICS_FLAGS);
        /// Where the MTU is among the metrics.
        const MTU: usize = u32_as_usize(bindings::RTAX_MTU) - 1;

        if self.state().is_some() {
            // CAST: Apart from the flags, the field is a pointer.
            // SAFETY: The dst is live, and there are metrics of so many numbers as long as it is.
            let mtu = unsafe {
                let metrics = ((*self.as_raw())._metrics & !FLAGS) as *const u32;
                read_once(metrics.add(MTU))
            };
            if mtu != 0 {
                return mtu;
            }
        }
        self.mtu()
    }
}

impl Bundle {
    /// Takes `dst`, which was found for `flow`, as a bundle.
    ///
    /// Returns `None` unless `dst` goes through IPsec, refers to no other namespaces than those of
    /// `holds`, and would be found again for every packet of the flow, for as long as nothing
    /// changes that the kernel tells of or that [`Self::is_valid`] sees. It would not be found
    /// again where
    ///
    /// - the look-up has to be repeated because it asks the key managers for more: optional
    ///   transforms that have no state yet, and states that each CPU has of its own;
    /// - a security module is asked each time, and may change its mind;
    /// - the look-up chooses a source address among those of IPv6, whose ranks change;
    /// - the next hop is not known to be there: until it is, or is known not to be, a look-up may
    ///   prefer another one.
    pub(crate) fn new(
        dst: &Dst,
        flow: &Flow,
        holds: (Hold, Option<Hold>),
        rcu: &rcu::Guard,
    ) -> Option<Self> {
        let held =
            |net: &Net| holds.0.is_of(net) || holds.1.as_ref().is_some_and(|hold| hold.is_of(net));

        dst.state()?;
        // Only bundles have a state.
        let xdst = Self::fields(dst);
        // SAFETY: The bundle is live, and what is read here does not change.
        let (num_transforms, route) = unsafe { ((*xdst).num_xfrms, (*xdst).route) };
        // SAFETY: The bundle holds a reference to its route.
        let route = unsafe { route.cast::<Dst>().as_ref() }?;
        if !held(dst.device(rcu).net(rcu)) || !held(route.device(rcu).net(rcu)) {
            return None;
        }
        let mut transforms: c_int = 0;
        for policy in Self::policies(dst) {
            // SAFETY: The bundle holds references to its policies; what is read here does not
            // change.
            let (flags, count, has_label) = unsafe {
                (
                    (*policy).flags,
                    (*policy).xfrm_nr,
                    !(*policy).security.is_null(),
                )
            };
            // SAFETY: A policy that a packet just found is in a live namespace.
            let net = unsafe { Net::from_possible(&raw const (*policy).xp_net) };
            let per_cpu = flags & u32_into_u8::<{ bindings::XFRM_POLICY_CPU_ACQUIRE }>() != 0;
            // SAFETY: As above. Migration changes addresses, which makes no difference here.
            let templates = unsafe { &(*policy).xfrm_vec };
            let mut used = templates.iter().take(count.into());
            if per_cpu || has_label || !held(net) || used.any(Self::chooses_source) {
                return None;
            }
            // There are a few at most, so this does not wrap.
            transforms = transforms.wrapping_add(count.into());
        }
        if transforms != num_transforms || Self::states(dst).any(State::has_label) {
            return None;
        }
        if !Self::has_valid_neighbour(dst, flow) {
            return None;
        }
        // INVARIANT: All of it was checked above. States are in the namespace of their policies.
        Some(Self {
            dst: dst.into(),
            holds,
        })
    }

    /// Whether packets of the flow can be handed to a neighbour at once (`NUD_VALID`).
    fn has_valid_neighbour(dst: &Dst, flow: &Flow) -> bool {
        // SAFETY: The bundle is live, and the flow is of its family.
        let neighbour = unsafe { bindings::dst_neigh_lookup(dst.as_raw(), flow.destination()) };
        if neighbour.is_null() {
            return false;
        }
        // SAFETY: The look-up returned a reference for us. The state changes meanwhile.
        let state = unsafe { read_once(&raw const (*neighbour).nud_state) };
        // SAFETY: It is given up here.
        unsafe { bindings::neigh_release(neighbour) };
        u32::from(state) & bindings::NUD_VALID != 0
    }

    /// Whether the look-up chooses the source address of this template among those of IPv6.
    fn chooses_source(template: &bindings::xfrm_tmpl) -> bool {
        // SAFETY: All members of the union are views of the same bytes.
        let source = unsafe { template.saddr.a6 };
        template.encap_family == Family::Inet6.as_raw()
            && template.mode != u32_into_u8::<{ bindings::XFRM_MODE_TRANSPORT }>()
            && source == [0; 4]
    }

    /// The policies of a bundle; of a dst that is none, none.
    fn policies(dst: &Dst) -> impl Iterator<Item = *mut bindings::xfrm_policy> {
        let xdst = Self::fields(dst);
        // SAFETY: The bundle is live, and what is read here does not change.
        let (policies, count) = unsafe { ((*xdst).pols, (*xdst).num_pols) };
        // CAST: There are two policies at most.
        policies.into_iter().take(count as usize)
    }

    /// The states of a bundle, in the order in which packets go through them.
    fn states(dst: &Dst) -> impl Iterator<Item = &State> {
        Self::parts(dst).map_while(Dst::state)
    }

    /// The bundle, the bundles that it is made of, and at last the route (`xfrm_dst_child()`).
    fn parts(dst: &Dst) -> impl Iterator<Item = &Dst> {
        let next = |dst: &&Dst| {
            dst.state()?;
            // SAFETY: What has a state is a bundle, which holds a reference to the next one, or to
            // a route.
            unsafe { (*Self::fields(dst)).child.cast::<Dst>().as_ref() }
        };
        core::iter::successors(Some(dst), next)
    }

    /// Whether any of its routes is of this family.
    pub(crate) fn involves(&self, family: Family) -> bool {
        let is_of = |dst: &Dst| {
            // SAFETY: The dst is live, and its operations are static.
            let of_dst = unsafe { (*(*dst.as_raw()).ops).family };
            of_dst == family.as_raw()
        };
        Self::parts(&self.dst).any(|part| {
            let route = part.state().and_then(|_| {
                // SAFETY: What has a state is a bundle, which holds a reference to its route.
                unsafe { (*Self::fields(part)).route.cast::<Dst>().as_ref() }
            });
            is_of(part) || route.is_some_and(is_of)
        })
    }

    /// The bundle's own structure, which begins with the dst. Only where the dst has a state is
    /// there one.
    fn fields(dst: &Dst) -> *mut bindings::xfrm_dst {
        dst.as_raw().cast()
    }

    /// Whether the bundle refers to `net`.
    pub(crate) fn refers_to(&self, net: &Net) -> bool {
        self.holds.0.is_of(net) || self.holds.1.as_ref().is_some_and(|hold| hold.is_of(net))
    }

    /// Whether the bundle can still be used (`xfrm_dst_check()`).
    ///
    /// That is: its first policy, its states and its routes are there and valid, and its MTU is up
    /// to date. The kernel asks the same of bundles that sockets keep. It does not say that a
    /// look-up would find the same bundle: another policy, state or route may have come that the
    /// look-up would prefer.
    pub(crate) fn is_valid(&self, _rcu: &rcu::Guard) -> bool {
        let dst = self.dst.as_raw();
        // As dst_check() does. Bundles ask to be checked always (`DST_OBSOLETE_FORCE_CHK`).
        //
        // SAFETY: The dst is live, and its operations are static.
        let Some(check) = (unsafe { (*(*dst).ops).check }) else {
            return false;
        };
        // SAFETY: The dst is live, and RCU is held. A bundle has no cookie of its own.
        !unsafe { check(dst, 0) }.is_null()
    }

    /// Notes the time at which the policies were used, in seconds, as the look-up does. Key
    /// managers read it.
    pub(crate) fn stamp_policies(&self) {
        // CAST: The time is not negative.
        // SAFETY: It only reads the clock.
        let now = unsafe { bindings::ktime_get_real_seconds() } as u64;
        for policy in Self::policies(&self.dst) {
            // SAFETY: The bundle holds references to its policies.
            let used = unsafe { &raw mut (*policy).curlft.use_time };
            // Once a second: CPUs that use the same policy would take the line from each other.
            //
            // SAFETY: The policy is live, as above. Others read and write the field as a whole.
            if unsafe { read_once(used) } != now {
                // SAFETY: As above.
                unsafe { write_once(used, now) };
            }
        }
    }

    /// The bundle as a dst that packets can be sent through.
    pub(crate) fn dst(&self) -> ARef<Dst> {
        self.dst.clone()
    }
}

/// Whether packets go the same way through two bundles: by the same policies and states, to the
/// same router on the same device, and with the same MTU.
#[cfg(SHADOW)]
pub(crate) fn is_same_way(one: &Dst, other: &Dst, rcu: &rcu::Guard) -> bool {
    let path = |dst| Bundle::parts(dst).find(|dst| dst.state().is_none());
    let states = |dst| Bundle::states(dst).map(State::as_raw);
    let (Some(one_path), Some(other_path)) = (path(one), path(other)) else {
        return false;
    };
    Bundle::policies(one).eq(Bundle::policies(other))
        && states(one).eq(states(other))
        && one_path.device(rcu).is(other_path.device(rcu))
        && one_path.router() == other_path.router()
        && one.mtu() == other.mtu()
}
