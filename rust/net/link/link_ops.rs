// SPDX-License-Identifier: GPL-2.0

//! The callbacks of a kind, as rtnetlink calls them.
//!
//! Each callback turns what rtnetlink passes into safe values, and calls a method of [`LinkOps`].
//! It runs in process context. For an example see the [parent module](super).
//!
//! C header: [`include/net/rtnetlink.h`](srctree/include/net/rtnetlink.h), `struct rtnl_link_ops`
//!
//! # Examples
//!
//! What `newlink` is given says for which namespace a device is, and with which attributes:
//!
//! ```
//! use crate::net::{
//!     link::NewLink,
//!     netlink::ExtAck, //
//! };
//!
//! const LIMIT: u32 = 1;
//!
//! fn limit(request: &NewLink<'_>, ack: &mut ExtAck<'_>) -> Result<u32> {
//!     match request.attrs.get(LIMIT) {
//!         Some(attr) => attr.u32(),
//!         None => Err(ack.missing(None, LIMIT, c"the limit is missing")),
//!     }
//! }
//! # let _: fn(&NewLink<'_>, &mut ExtAck<'_>) -> Result<u32> = limit;
//! ```

use super::{
    device::Device,
    kind::Kind,
    private::Private,
    unregistered::UnregisteredDevice,
    ChangeLink,
    LinkOps,
    NewLink, //
};

use crate::{
    bindings,
    net::{
        net_namespace::Net,
        netlink::{
            Attrs,
            ExtAck,
            Message,
            Rule, //
        },
        rtnl::Rtnl, //
    }, //
};

use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*, //
};

impl<T: LinkOps> Kind<T> {
    /// Returns the callbacks of the kind; `rules` are for the attributes in `IFLA_INFO_DATA`.
    pub(super) fn link_ops(rules: &'static [Rule]) -> bindings::rtnl_link_ops {
        bindings::rtnl_link_ops {
            kind: T::NAME.as_char_ptr(),
            // CAST: Policies have a handful of rules.
            maxtype: rules.len().saturating_sub(1) as c_uint,
            policy: rules.as_ptr().cast(),
            priv_size: size_of::<Private<T>>(),
            setup: Some(Self::setup),
            newlink: Some(Self::newlink),
            changelink: Some(Self::changelink),
            dellink: Some(Self::dellink),
            get_size: Some(Self::get_size),
            fill_info: Some(Self::fill_info),
            get_link_net: Some(Self::get_link_net),
            ..pin_init::zeroed()
        }
    }

    /// Sets up a new device, and calls [`LinkOps::setup`] (`ops->setup`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a device that it has just allocated for this kind.
    pub(in crate::net) unsafe extern "C" fn setup(dev: *mut bindings::net_device) {
        // SAFETY: The kernel has just allocated the device.
        unsafe {
            (*dev).netdev_ops = T::KIND.get().netdev_ops();
            (*dev).needs_free_netdev = true;
            if let Some(ethtool) = T::ETHTOOL {
                (*dev).ethtool_ops = ethtool.as_raw();
            }
            // `Device::send`, `Device::receive` and `dev_get_tstats64()` depend on this.
            (*dev).set_pcpu_stat_type(bindings::netdev_stat_type_NETDEV_PCPU_STAT_TSTATS);
        }
        // SAFETY: The kernel has just allocated the device, and nobody else uses it.
        T::setup(&mut unsafe { UnregisteredDevice::from_raw(dev) });
    }

    /// Calls [`LinkOps::newlink`], registers the device, and calls [`LinkOps::registered`]
    /// (`ops->newlink`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a device that `setup` has seen, and for a request, with RTNL held.
    pub(in crate::net) unsafe extern "C" fn newlink(
        dev: *mut bindings::net_device,
        params: *mut bindings::rtnl_newlink_params,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: The kernel passes what it has made and checked for this request, with RTNL held.
        let (request, mut ack, rtnl) = unsafe {
            let mut link_net: *const bindings::net = (*params).link_net;
            if link_net.is_null() {
                link_net = bindings::dev_net(dev);
            }
            let request = NewLink {
                attrs: Attrs::from_raw((*params).data, T::KIND.get().rules.len()),
                link_net: Net::from_raw(link_net),
            };
            (request, ExtAck::from_raw(extack), Rtnl::assume())
        };
        from_result(|| {
            // A namespace without data is being removed.
            let devices = T::KIND.get().namespaces.get_rtnl(request.link_net, rtnl);
            let devices = devices.ok_or(ENODEV)?;
            let data = T::newlink(&request, &mut ack, rtnl)?;
            // SAFETY: `dev` is new.
            unsafe { Private::initialise(dev, request.link_net, data) };
            // SAFETY: The private data of `dev` was just initialised, and `dev` is registered next.
            // It is in no list.
            unsafe { Private::<T>::link(dev, &devices, rtnl) };
            // SAFETY: `dev` is set up and its private data initialised; RTNL is held.
            to_result(unsafe { bindings::register_netdevice(dev) }).inspect_err(|_| {
                // The kernel takes down a device that had become visible. It calls `ndo_uninit`,
                // and the destructor when nobody refers to the device any more.
                //
                // SAFETY: The device is valid. If it was never registered, nobody else has seen it.
                unsafe {
                    if u32::from((*dev).reg_state)
                        == bindings::netdev_reg_state_NETREG_UNINITIALIZED
                    {
                        Private::<T>::unlink(dev, rtnl);
                        Private::<T>::destroy(dev);
                    }
                }
            })?;
            // SAFETY: The device is registered.
            T::registered(unsafe { Device::from_raw(dev) }, &mut ack, rtnl).inspect_err(|_| {
                // SAFETY: The device is registered; the caller's free_netdev() does the rest.
                unsafe { bindings::unregister_netdevice_queue(dev, core::ptr::null_mut()) }
            })?;
            Ok(0)
        })
    }

    /// Calls [`LinkOps::changelink`] (`ops->changelink`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind and a request, with RTNL held.
    unsafe extern "C" fn changelink(
        dev: *mut bindings::net_device,
        _tb: *mut *mut bindings::nlattr,
        data: *mut *mut bindings::nlattr,
        extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: The kernel passes a registered device of this kind and what it has checked of the
        // request, with RTNL held.
        let (dev, attrs, mut ack, rtnl) = unsafe {
            (
                Device::<T>::from_raw(dev),
                Attrs::from_raw(data, T::KIND.get().rules.len()),
                ExtAck::from_raw(extack),
                Rtnl::assume(),
            )
        };
        // SAFETY: Both are live.
        let link_net_capable =
            unsafe { bindings::rtnl_dev_link_net_capable(dev.as_raw(), dev.link_net().as_raw()) };
        let request = ChangeLink {
            attrs,
            link_net_capable,
        };
        from_result(|| T::changelink(dev, &request, &mut ack, rtnl).map(|()| 0))
    }

    /// Has a device unregistered, together with others (`ops->dellink`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind, with RTNL held.
    unsafe extern "C" fn dellink(dev: *mut bindings::net_device, kill: *mut bindings::list_head) {
        // SAFETY: The kernel passes a registered device and a list, with RTNL held.
        unsafe { bindings::unregister_netdevice_queue(dev, kill) };
    }

    /// Returns [`LinkOps::INFO_SIZE`] (`ops->get_size`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind.
    unsafe extern "C" fn get_size(_dev: *const bindings::net_device) -> usize {
        T::INFO_SIZE
    }

    /// Calls [`LinkOps::fill_info`] (`ops->fill_info`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind and a message that it builds.
    unsafe extern "C" fn fill_info(
        skb: *mut bindings::sk_buff,
        dev: *const bindings::net_device,
    ) -> c_int {
        // SAFETY: The kernel passes a message it is building and a registered device of this kind.
        let (mut message, dev) = unsafe { (Message::from_raw(skb), Device::from_raw(dev)) };
        from_result(|| T::fill_info(dev, &mut message).map(|()| 0))
    }

    /// Returns the link namespace of a device (`ops->get_link_net`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind.
    unsafe extern "C" fn get_link_net(dev: *const bindings::net_device) -> *mut bindings::net {
        // SAFETY: The kernel passes a registered device of this kind.
        unsafe { Device::<T>::from_raw(dev) }.link_net().as_raw()
    }
}
