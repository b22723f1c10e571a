// SPDX-License-Identifier: GPL-2.0

//! Netlink attributes.
//!
//! - A [`Policy`] says what the kernel checks of attributes before a driver sees them.
//! - [`Attrs`] are the attributes of a request that passed the check. [`AttrTable`] parses those in
//!   a nested attribute.
//! - A [`Message`] is an answer, to which a driver adds attributes.
//! - [`ExtAck`] carries the reason of a refusal to the sender of the request.
//!
//! Requests are handled in process context. Numbers are in host byte order.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)
//!
//! # Examples
//!
//! A kind of devices has a number that has to be there, and a flag:
//!
//! ```
//! use crate::net::netlink::{
//!     attr_size,
//!     Attrs,
//!     ExtAck,
//!     Message,
//!     Policy,
//!     Rule, //
//! };
//!
//! const NUMBER: u32 = 1;
//! const FLAG: u32 = 2;
//!
//! /// What is stricter than older kernels were begins at the attribute `FLAG`.
//! static POLICY: Policy<3> = Policy::new([Rule::strict_from(2), Rule::u32(), Rule::flag()]);
//!
//! struct Parameters {
//!     number: u32,
//!     flag: bool,
//! }
//!
//! fn parse(attrs: &Attrs<'_>, ack: &mut ExtAck<'_>) -> Result<Parameters> {
//!     let Some(attr) = attrs.get(NUMBER) else {
//!         return Err(ack.missing(None, NUMBER, c"the number is missing"));
//!     };
//!     let number = attr.u32()?;
//!     if number == 0 {
//!         return Err(ack.refuse(EINVAL, Some(attr), c"the number must be non zero"));
//!     }
//!     Ok(Parameters {
//!         number,
//!         flag: attrs.get(FLAG).is_some(),
//!     })
//! }
//!
//! /// The room for what `dump` adds, in bytes.
//! const SIZE: usize = attr_size(4) + attr_size(0);
//!
//! fn dump(parameters: &Parameters, message: &mut Message<'_>) -> Result {
//!     message.put_u32(NUMBER, parameters.number)?;
//!     if parameters.flag {
//!         message.put_flag(FLAG)?;
//!     }
//!     Ok(())
//! }
//!
//! // A header has four bytes.
//! assert_eq!(SIZE, (4 + 4) + (4 + 0));
//! # let _ = (&POLICY, parse as fn(&Attrs<'_>, &mut ExtAck<'_>) -> Result<Parameters>);
//! # let _ = dump as fn(&Parameters, &mut Message<'_>) -> Result;
//! ```
//!
//! Attributes in a nested attribute are parsed by the driver:
//!
//! ```
//! use crate::net::netlink::{
//!     Attr,
//!     AttrTable,
//!     ExtAck,
//!     Policy,
//!     Rule, //
//! };
//!
//! const NUMBER: u32 = 1;
//!
//! /// At least 2.
//! static POLICY: Policy<2> = Policy::new([Rule::unspec(), Rule::u32_min(2)]);
//!
//! fn number(nest: Attr<'_>, ack: &mut ExtAck<'_>) -> Result<u32> {
//!     let table = AttrTable::parse_nested(nest, &POLICY, ack)?;
//!     match table.attrs().get(NUMBER) {
//!         Some(attr) => attr.u32(),
//!         None => Err(ack.missing(Some(nest), NUMBER, c"the number is missing")),
//!     }
//! }
//! # let _: fn(Attr<'_>, &mut ExtAck<'_>) -> Result<u32> = number;
//! ```

use crate::{
    bindings,
    compat::casts::u32_as_usize, //
};

use core::marker::PhantomData;

use kernel::{
    error::to_result,
    prelude::*, //
};

/// The rule for one attribute: what the kernel checks before the driver sees it (`struct
/// nla_policy`).
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Rule(bindings::nla_policy);

impl Rule {
    /// Makes a rule for attributes of type `kind` (`NLA_U32` and the like), checked as `validation`
    /// says.
    const fn raw(kind: u32, validation: u32) -> bindings::nla_policy {
        bindings::nla_policy {
            // CAST: The numbers of both enumerations fit.
            type_: kind as u8,
            validation_type: validation as u8,
            len: 0,
            __bindgen_anon_1: bindings::nla_policy__bindgen_ty_1 {
                reject_message: core::ptr::null(),
            },
        }
    }

    /// The rule for attribute 0, which does not exist: the kernel checks attributes from `first` on
    /// strictly (`strict_start_type`).
    pub(crate) const fn strict_from(first: u16) -> Self {
        let mut policy = Self::raw(bindings::NLA_UNSPEC, 0);
        policy.__bindgen_anon_1 = bindings::nla_policy__bindgen_ty_1 {
            strict_start_type: first,
        };
        Self(policy)
    }

    /// An attribute without rules (`NLA_UNSPEC`).
    pub(crate) const fn unspec() -> Self {
        Self(Self::raw(bindings::NLA_UNSPEC, 0))
    }

    /// A 32-bit number in host byte order (`NLA_U32`).
    pub(crate) const fn u32() -> Self {
        Self(Self::raw(bindings::NLA_U32, 0))
    }

    /// A 32-bit number in host byte order that is at least `min` (`NLA_POLICY_MIN()`). The kernel
    /// refuses smaller ones with `ERANGE`.
    pub(crate) const fn u32_min(min: i16) -> Self {
        let mut policy = Self::raw(
            bindings::NLA_U32,
            bindings::nla_policy_validation_NLA_VALIDATE_MIN,
        );
        policy.__bindgen_anon_1 = bindings::nla_policy__bindgen_ty_1 {
            __bindgen_anon_1: bindings::nla_policy__bindgen_ty_1__bindgen_ty_1 { min, max: 0 },
        };
        Self(policy)
    }

    /// An attribute without a payload, which is there or not (`NLA_FLAG`).
    pub(crate) const fn flag() -> Self {
        Self(Self::raw(bindings::NLA_FLAG, 0))
    }
}

/// The rules for the attributes 0 to `N - 1`. To be declared as a `static`.
#[repr(transparent)]
pub(crate) struct Policy<const N: usize>([Rule; N]);

// SAFETY: The rules are immutable, and what they point to is static.
unsafe impl<const N: usize> Sync for Policy<N> {}

impl<const N: usize> Policy<N> {
    /// Makes a policy; the first rule is the one for attribute 0.
    pub(crate) const fn new(rules: [Rule; N]) -> Self {
        const { assert!(N > 0) };
        Self(rules)
    }

    /// Returns the rules, for C functions.
    pub(super) const fn rules(&self) -> &[Rule] {
        &self.0
    }
}

/// One attribute of a request (`struct nlattr`).
#[derive(Clone, Copy)]
pub(crate) struct Attr<'a> {
    ptr: *const bindings::nlattr,
    _request: PhantomData<&'a bindings::nlattr>,
}

impl<'a> Attr<'a> {
    /// Wraps an attribute.
    ///
    /// # Safety
    ///
    /// `ptr` is to an attribute. The whole attribute lies in a request that lives for `'a`.
    pub(super) unsafe fn from_raw(ptr: *const bindings::nlattr) -> Self {
        Self {
            ptr,
            _request: PhantomData,
        }
    }

    /// Returns the pointer that C functions take.
    pub(super) fn as_raw(self) -> *const bindings::nlattr {
        self.ptr
    }

    /// Returns the payload (`nla_data()`, `nla_len()`); nothing if the attribute is shorter than
    /// its header.
    fn payload(self) -> &'a [u8] {
        // SAFETY: By the contract of `from_raw`.
        let len = usize::from(unsafe { (*self.ptr).nla_len });
        let len = len.saturating_sub(size_of::<bindings::nlattr>());
        // SAFETY: By the contract of `from_raw` the payload follows the header, in the same
        // message.
        unsafe { core::slice::from_raw_parts(self.ptr.add(1).cast(), len) }
    }

    /// Returns the payload as a number in host byte order (`nla_get_u32()`). Fails with `EINVAL` if
    /// there are fewer than 4 bytes.
    pub(crate) fn u32(self) -> Result<u32> {
        let bytes = self.payload().first_chunk().ok_or(EINVAL)?;
        Ok(u32::from_ne_bytes(*bytes))
    }
}

/// A table of the attributes 0 to `N - 1` of a request, with room of its own.
pub(crate) struct AttrTable<'a, const N: usize> {
    attrs: [*mut bindings::nlattr; N],
    _request: PhantomData<&'a bindings::nlattr>,
}

impl<'a, const N: usize> AttrTable<'a, N> {
    /// Parses the attributes nested in `nest` and checks them strictly against `policy`
    /// (`nla_parse_nested()`).
    ///
    /// Fails with `EINVAL` or `ERANGE` when an attribute violates its rule or has none, and says so
    /// in `ack`.
    pub(crate) fn parse_nested(
        nest: Attr<'a>,
        policy: &'static Policy<N>,
        ack: &mut ExtAck<'_>,
    ) -> Result<Self> {
        let mut attrs = [core::ptr::null_mut(); N];
        // SAFETY: There is room for the attributes 0 to N - 1, and as many rules.
        to_result(unsafe {
            bindings::nla_parse_nested(
                attrs.as_mut_ptr(),
                // CAST: Tables have a handful of entries.
                N as c_int - 1,
                nest.as_raw(),
                policy.rules().as_ptr().cast(),
                ack.as_raw(),
            )
        })?;
        Ok(Self {
            attrs,
            _request: PhantomData,
        })
    }

    /// Returns the attributes that are there.
    pub(crate) fn attrs(&self) -> Attrs<'_> {
        // SAFETY: By what the kernel parsed.
        unsafe { Attrs::from_raw(self.attrs.as_ptr(), N) }
    }
}

/// The attributes that are there, of a request or a nested attribute.
pub(crate) struct Attrs<'a> {
    table: &'a [*mut bindings::nlattr],
}

impl<'a> Attrs<'a> {
    /// Wraps a table that the kernel has filled in.
    ///
    /// # Safety
    ///
    /// `table` is null or to `len` pointers, each of which is null or to an attribute. The pointers
    /// and the attributes live unchanged for `'a`.
    pub(super) unsafe fn from_raw(table: *const *mut bindings::nlattr, len: usize) -> Self {
        Self {
            table: if table.is_null() {
                &[]
            } else {
                // SAFETY: The contract of this function.
                unsafe { core::slice::from_raw_parts(table, len) }
            },
        }
    }

    /// Returns the attribute with the number `kind`, if it is there.
    pub(crate) fn get(&self, kind: u32) -> Option<Attr<'a>> {
        let ptr = *self.table.get(u32_as_usize(kind))?;
        // SAFETY: By the contract of `from_raw`, or by what the kernel parsed.
        (!ptr.is_null()).then(|| unsafe { Attr::from_raw(ptr) })
    }
}

/// The extended acknowledgement of a request, which tells its sender the reason of a refusal
/// (`struct netlink_ext_ack`).
pub(crate) struct ExtAck<'a> {
    ptr: *mut bindings::netlink_ext_ack,
    _request: PhantomData<&'a mut bindings::netlink_ext_ack>,
}

impl ExtAck<'_> {
    /// Wraps the acknowledgement that a callback is given.
    ///
    /// # Safety
    ///
    /// `ptr` is null or valid for as long as the result is used.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::netlink_ext_ack) -> Self {
        Self {
            ptr,
            _request: PhantomData,
        }
    }

    /// Returns the pointer that C functions take. It may be null.
    pub(super) fn as_raw(&mut self) -> *mut bindings::netlink_ext_ack {
        self.ptr
    }

    /// Says that the request is refused because of `attr`, for the reason `why`
    /// (`NL_SET_ERR_MSG_ATTR()`). Returns `err`, for the caller to fail with.
    pub(crate) fn refuse(
        &mut self,
        err: Error,
        attr: Option<Attr<'_>>,
        why: &'static CStr,
    ) -> Error {
        if let Some(ack) = self.say(why) {
            ack.bad_attr = attr.map_or(core::ptr::null(), Attr::as_raw);
        }
        err
    }

    /// Says that the request is refused because the attribute `kind` is missing in `nest`, or in
    /// the whole message if `nest` is `None` (`NL_SET_ERR_ATTR_MISS()`). Returns `EINVAL`, for the
    /// caller to fail with.
    pub(crate) fn missing(
        &mut self,
        nest: Option<Attr<'_>>,
        kind: u32,
        why: &'static CStr,
    ) -> Error {
        if let Some(ack) = self.say(why) {
            ack.miss_nest = nest.map_or(core::ptr::null_mut(), |nest| nest.as_raw().cast_mut());
            // CAST: The numbers of attributes have 16 bits.
            ack.miss_type = kind as u16;
        }
        EINVAL
    }

    /// Sets the text of the acknowledgement (`NL_SET_ERR_MSG()`). Returns the rest of it, or `None`
    /// if the sender wants no acknowledgement.
    fn say(&mut self, why: &'static CStr) -> Option<&mut bindings::netlink_ext_ack> {
        // SAFETY: The text is static.
        unsafe { bindings::do_trace_netlink_extack(why.as_char_ptr()) };
        // SAFETY: The pointer is null or valid, and nobody else uses it.
        let ack = unsafe { self.ptr.as_mut() }?;
        ack._msg = why.as_char_ptr();
        Some(ack)
    }
}

/// A message that is being built.
pub(crate) struct Message<'a> {
    skb: *mut bindings::sk_buff,
    _skb: PhantomData<&'a mut bindings::sk_buff>,
}

impl Message<'_> {
    /// Wraps the message that a callback is given.
    ///
    /// # Safety
    ///
    /// `skb` is a netlink message that nobody else uses for as long as the result is used.
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        Self {
            skb,
            _skb: PhantomData,
        }
    }

    /// Adds an attribute (`nla_put()`). Fails with `EMSGSIZE` when the message is full.
    fn put(&mut self, kind: u32, payload: &[u8]) -> Result {
        // CAST: Payloads here have a few bytes, and attributes small numbers.
        let (kind, len) = (kind as c_int, payload.len() as c_int);
        // SAFETY: The message is valid, and the payload has `len` bytes.
        to_result(unsafe { bindings::nla_put(self.skb, kind, len, payload.as_ptr().cast()) })
    }

    /// Adds a number in host byte order (`nla_put_u32()`). Fails with `EMSGSIZE` when the message
    /// is full.
    pub(crate) fn put_u32(&mut self, kind: u32, value: u32) -> Result {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Adds an attribute without a payload (`nla_put_flag()`). Fails with `EMSGSIZE` when the
    /// message is full.
    pub(crate) fn put_flag(&mut self, kind: u32) -> Result {
        self.put(kind, &[])
    }
}

/// Returns the room that an attribute with `payload` bytes takes in a message, in bytes
/// (`nla_total_size()`).
pub(crate) const fn attr_size(payload: usize) -> usize {
    /// What attributes are aligned to, in bytes.
    const ALIGN: usize = bindings::NLA_ALIGNTO as usize;

    size_of::<bindings::nlattr>()
        .saturating_add(payload)
        .saturating_add(ALIGN - 1)
        & !(ALIGN - 1)
}
