// SPDX-License-Identifier: GPL-2.0

//! What `ethtool` shows and changes of the devices of a kind.
//!
//! All is called in process context, with RTNL held.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h), `struct ethtool_ops`
//!
//! # Examples
//!
//! ```
//! use crate::net::{
//!     link::{
//!         Device,
//!         Ethtool,
//!         EthtoolOps, //
//!     },
//!     rtnl::Rtnl, //
//! };
//!
//! /// Whether the first of the driver's own flags is set.
//! fn is_set<T: EthtoolOps>(dev: &Device<T>, rtnl: &Rtnl) -> bool {
//!     T::get_private_flags(dev, rtnl) & 1 != 0
//! }
//!
//! /// What goes into `LinkOps::ETHTOOL`.
//! fn callbacks<T: EthtoolOps>() -> Option<&'static Ethtool<T>> {
//!     Some(&Ethtool::NEW)
//! }
//! # use crate::xfrmi::interface::Interface;
//! # let _: fn(&Device<Interface>, &Rtnl) -> bool = is_set;
//! # let _: fn() -> Option<&'static Ethtool<Interface>> = callbacks;
//! ```

use super::{
    device::Device,
    LinkOps, //
};

use crate::{
    bindings,
    compat::{
        casts::u32_as_usize,
        code::eopnotsupp, //
    },
    net::rtnl::Rtnl, //
};

use core::{
    marker::PhantomData,
    mem::MaybeUninit, //
};

use kernel::{
    error::from_result,
    prelude::*, //
};

/// What `ethtool` asks of the devices of a kind (`struct ethtool_ops`).
pub(crate) trait EthtoolOps: LinkOps {
    /// The names of what the driver counts, at most 31 characters each (`ethtool --statistics`).
    fn statistics(dev: &Device<Self>) -> &'static [&'static CStr];

    /// Returns the statistic `index` of [`Self::statistics`].
    fn statistic(dev: &Device<Self>, index: usize) -> u64;

    /// The names of the flags that are the driver's own, at most 31 characters each; the first is
    /// that of bit 0 (`ethtool --show-priv-flags`).
    fn private_flags(dev: &Device<Self>) -> &'static [&'static CStr];

    /// Returns which of the flags are set.
    fn get_private_flags(dev: &Device<Self>, rtnl: &Rtnl) -> u32;

    /// Sets the flags (`ethtool --set-priv-flags`). If it fails, it leaves them as they were.
    fn set_private_flags(dev: &Device<Self>, flags: u32, rtnl: &Rtnl) -> Result;
}

/// The callbacks for the devices of the kind `T`.
pub(crate) struct Ethtool<T: LinkOps> {
    ops: bindings::ethtool_ops,
    _kind: PhantomData<T>,
}

// SAFETY: The callbacks are immutable.
unsafe impl<T: LinkOps> Sync for Ethtool<T> {}

impl<T: LinkOps> Ethtool<T> {
    /// Returns what the C side takes.
    pub(super) fn as_raw(&'static self) -> *const bindings::ethtool_ops {
        &raw const self.ops
    }
}

/// The length of a name, with the NUL at its end.
const NAME_LEN: usize = u32_as_usize(bindings::ETH_GSTRING_LEN);

impl<T: EthtoolOps> Ethtool<T> {
    /// The callbacks.
    pub(crate) const NEW: Self = Self {
        ops: bindings::ethtool_ops {
            get_sset_count: Some(Self::get_sset_count),
            get_strings: Some(Self::get_strings),
            get_drvinfo: Some(Self::get_drvinfo),
            get_ethtool_stats: Some(Self::get_ethtool_stats),
            get_priv_flags: Some(Self::get_priv_flags),
            set_priv_flags: Some(Self::set_priv_flags),
            // SAFETY: It has numbers and callbacks that need not be there.
            ..unsafe { MaybeUninit::zeroed().assume_init() }
        },
        _kind: PhantomData,
    };

    /// Returns the names in a set.
    ///
    /// # Safety
    ///
    /// `dev` is a registered device of this kind.
    unsafe fn names(dev: *mut bindings::net_device, set: u32) -> Result<&'static [&'static CStr]> {
        // SAFETY: The contract of this function.
        let dev = unsafe { Device::from_raw(dev) };
        match set {
            bindings::ethtool_stringset_ETH_SS_PRIV_FLAGS => Ok(T::private_flags(dev)),
            bindings::ethtool_stringset_ETH_SS_STATS => Ok(T::statistics(dev)),
            _ => Err(eopnotsupp()),
        }
    }

    /// Returns how many names there are in a set (`get_sset_count`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind, with RTNL held.
    unsafe extern "C" fn get_sset_count(dev: *mut bindings::net_device, set: c_int) -> c_int {
        // CAST: The numbers of sets are not negative, those of names small.
        // SAFETY: The contract of this function.
        from_result(|| Ok(unsafe { Self::names(dev, set as u32) }?.len() as c_int))
    }

    /// Writes the names in a set (`get_strings`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind, with RTNL held, and with room
    /// for as many names as `get_sset_count` has said.
    unsafe extern "C" fn get_strings(dev: *mut bindings::net_device, set: u32, data: *mut u8) {
        // SAFETY: The contract of this function.
        let Ok(names) = (unsafe { Self::names(dev, set) }) else {
            return;
        };
        for (index, name) in names.iter().enumerate() {
            let mut room = [0; NAME_LEN];
            for (to, from) in room.iter_mut().zip(name.to_bytes_with_nul()) {
                *to = *from;
            }
            // SAFETY: The contract of this function.
            unsafe { data.cast::<[u8; NAME_LEN]>().add(index).write(room) };
        }
    }

    /// Says which driver the device has: the kind, as the kernel says where a driver says nothing;
    /// and the version of the module (`get_drvinfo`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind, with a place for the result.
    unsafe extern "C" fn get_drvinfo(
        _dev: *mut bindings::net_device,
        info: *mut bindings::ethtool_drvinfo,
    ) {
        // SAFETY: The contract of this function; the name is a string of C.
        unsafe {
            bindings::version_drvinfo(info, T::NAME.as_char_ptr());
        }
    }

    /// Calls [`EthtoolOps::statistic`] (`get_ethtool_stats`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind, with RTNL held, and with room
    /// for as many numbers as `get_sset_count` has said.
    unsafe extern "C" fn get_ethtool_stats(
        dev: *mut bindings::net_device,
        _stats: *mut bindings::ethtool_stats,
        data: *mut u64,
    ) {
        // SAFETY: The contract of this function.
        let dev = unsafe { Device::from_raw(dev) };
        for index in 0..T::statistics(dev).len() {
            // SAFETY: The contract of this function.
            unsafe { data.add(index).write(T::statistic(dev, index)) };
        }
    }

    /// Calls [`EthtoolOps::get_private_flags`] (`get_priv_flags`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind, with RTNL held.
    unsafe extern "C" fn get_priv_flags(dev: *mut bindings::net_device) -> u32 {
        // SAFETY: The contract of this function.
        let (dev, rtnl) = unsafe { (Device::from_raw(dev), Rtnl::assume()) };
        T::get_private_flags(dev, rtnl)
    }

    /// Calls [`EthtoolOps::set_private_flags`] (`set_priv_flags`).
    ///
    /// # Safety
    ///
    /// The kernel calls this for a registered device of this kind, with RTNL held.
    unsafe extern "C" fn set_priv_flags(dev: *mut bindings::net_device, flags: u32) -> c_int {
        // SAFETY: The contract of this function.
        let (dev, rtnl) = unsafe { (Device::from_raw(dev), Rtnl::assume()) };
        from_result(|| T::set_private_flags(dev, flags, rtnl).map(|()| 0))
    }
}
