// SPDX-License-Identifier: GPL-2.0

//! XFRM interfaces in Rust: the module, and what it registers.
//!
//! This is the crate's root, and takes the place of `xfrmi_init()` and `xfrmi_fini()` of the C
//! driver ([`net/xfrm/xfrm_interface_core.c`](srctree/net/xfrm/xfrm_interface_core.c)). The driver
//! is in `xfrmi`, the abstractions over the kernel that it is made of in `net`.
//! `docs/architecture.md` shows the whole.

#![crate_name = "xfrm_interface_rust"]

mod bindings;
mod compat;
#[cfg(all(KUNIT_TESTS, CONFIG_KUNIT = "y"))]
mod doctests {
    include!(env!("DOCTESTS"));
}
mod net;
#[cfg(all(KUNIT_TESTS, CONFIG_KUNIT = "y"))]
mod tests;
mod xfrmi;

use crate::{
    net::{
        device_events::DeviceEvents,
        init::on_error,
        link::{
            self,
            LinkOps, //
        },
        neighbour::NeighbourEvents,
        notifier::NotifierRegistration,
        rcu,
        xfrm::{
            EncapRegistration,
            EventsRegistration,
            Protocol,
            ProtocolRegistration,
            SessionRegistration, //
        },
        Family, //
    },
    xfrmi::{
        caches::{
            self,
            CachesRegistration, //
        },
        changes::Watch,
        encap::Encap,
        interface::Interface,
        receive::Input,
        session::Decoder,
        transmit,
        vrf_by_route::Devices,
        wait::{
            self,
            WaitRegistration, //
        }, //
    }, //
};

#[cfg(CONFIG_INET_XFRM_TUNNEL)]
use crate::net::xfrm::Tunnel4Registration;
#[cfg(CONFIG_INET6_XFRM_TUNNEL)]
use crate::net::xfrm::Tunnel6Registration;

use kernel::prelude::*;

module! {
    type: XfrmInterface,
    name: "xfrm_interface_rust",
    authors: ["The xfrm-interface-rust developers"],
    description: "XFRM virtual interface (Rust)",
    license: "GPL v2",
    alias: ["rtnl-link-xfrm", "netdev-xfrm0"],
    params: {
        bundle_lifetime: u32 {
            default: 2000,
            description: "For how many milliseconds the bundle of a flow is used before it is looked up again; 0: not at all",
        },
        cache_size: u32 {
            default: 4096,
            description: "How many kilobytes each CPU may take to remember bundles and metadata",
        },
    },
}

/// The priority among the handlers of a protocol: before `esp4` and the like, which have 0, so that
/// packets of a connection with an interface come here first.
const PROTOCOL_PRIORITY: i32 = 10;

/// What the module registers.
///
/// The order of the fields is that of the teardown:
///
/// - first nobody can make devices any more, and those that are there go;
/// - then nothing refers to the module;
/// - then no packet comes in;
/// - then goes what packets and devices need;
/// - at last the memory goes whose end RCU delays.
#[pin_data]
struct XfrmInterface {
    link: link::KindRegistration<Interface>,
    session: SessionRegistration<Decoder>,
    #[pin]
    encap: EncapRegistration<Encap>,
    #[cfg(CONFIG_INET6_XFRM_TUNNEL)]
    #[pin]
    ipip6: Tunnel6Registration<Input>,
    #[cfg(CONFIG_INET6_XFRM_TUNNEL)]
    #[pin]
    ip6ip6: Tunnel6Registration<Input>,
    #[cfg(CONFIG_INET_XFRM_TUNNEL)]
    #[pin]
    ip6ip: Tunnel4Registration<Input>,
    #[cfg(CONFIG_INET_XFRM_TUNNEL)]
    #[pin]
    ipip: Tunnel4Registration<Input>,
    #[pin]
    comp: ProtocolRegistration<Input>,
    #[pin]
    ah: ProtocolRegistration<Input>,
    #[pin]
    esp: ProtocolRegistration<Input>,
    wait: WaitRegistration,
    caches: CachesRegistration,
    #[pin]
    neighbours: NotifierRegistration<NeighbourEvents<Watch>>,
    #[pin]
    devices: NotifierRegistration<DeviceEvents<Devices>>,
    #[pin]
    policies: EventsRegistration<Watch>,
    namespaces: link::KindNamespaces<Interface>,
    _barrier: rcu::Barrier,
}

impl kernel::InPlaceModule for XfrmInterface {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // This is the reverse order of the teardown, with the exception of the encapsulation. There
        // is no device before everything that a device needs is there.
        on_error(
            try_pin_init!(Self {
                _barrier: rcu::Barrier,
                namespaces: Interface::KIND.get().register_namespaces()?,
                policies <- EventsRegistration::new(),
                devices <- NotifierRegistration::new(),
                neighbours <- NotifierRegistration::new(),
                caches: caches::register(
                    compat::parameter(module_parameters::bundle_lifetime.value()),
                    compat::parameter(module_parameters::cache_size.value()),
                )?,
                wait: wait::register(transmit::again, transmit::for_the_last_time)?,
                esp <- ProtocolRegistration::new(Protocol::Esp, PROTOCOL_PRIORITY),
                ah <- ProtocolRegistration::new(Protocol::Ah, PROTOCOL_PRIORITY),
                comp <- ProtocolRegistration::new(Protocol::Comp, PROTOCOL_PRIORITY),
                // After ipip, sit and ip6_tunnel, before xfrm4_tunnel and xfrm6_tunnel.
                #[cfg(CONFIG_INET_XFRM_TUNNEL)]
                ipip <- Tunnel4Registration::new(Family::Inet, 3),
                #[cfg(CONFIG_INET_XFRM_TUNNEL)]
                ip6ip <- Tunnel4Registration::new(Family::Inet6, 2),
                #[cfg(CONFIG_INET6_XFRM_TUNNEL)]
                ip6ip6 <- Tunnel6Registration::new(Family::Inet6, 2),
                #[cfg(CONFIG_INET6_XFRM_TUNNEL)]
                ipip6 <- Tunnel6Registration::new(Family::Inet, 2),
                #[cfg(CONFIG_DEBUG_INFO_BTF)]
                _: { net::xfrm::kfuncs::register()? },
                session: SessionRegistration::new(),
                link: Interface::KIND.get().register(&*namespaces)?,
                // The last, so that nothing fails after it: devices can be taken back, but routes
                // with the encapsulation can't.
                encap <- EncapRegistration::new(module),
            }? Error),
            |err| {
                if *err == EEXIST {
                    pr_err!("another driver serves XFRM interfaces: unload it first (modprobe -r xfrm_interface), or use a kernel without CONFIG_XFRM_INTERFACE=y\n");
                }
            },
        )
    }
}
