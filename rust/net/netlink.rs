// SPDX-License-Identifier: GPL-2.0

//! Netlink attributes: their policy, those of a request, those of a message being built, and
//! errors.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use crate::bindings;

use core::marker::PhantomData;

use kernel::{
    error::to_result,
    num::casts::u32_as_usize,
    prelude::*, //
};

/// What the kernel checks of one attribute before the driver sees it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Rule(bindings::nla_policy);

impl Rule {
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

    /// The attribute 0: attributes from `first` on are checked strictly.
    pub(crate) const fn strict_from(first: u16) -> Self {
        let mut policy = Self::raw(bindings::NLA_UNSPEC, 0);
        policy.__bindgen_anon_1 = bindings::nla_policy__bindgen_ty_1 {
            strict_start_type: first,
        };
        Self(policy)
    }

    /// An attribute without rules.
    pub(crate) const fn unspec() -> Self {
        Self(Self::raw(bindings::NLA_UNSPEC, 0))
    }

    /// A 32-bit number in host byte order.
    pub(crate) const fn u32() -> Self {
        Self(Self::raw(bindings::NLA_U32, 0))
    }

    /// A 32-bit number in host byte order that is at least `min`.
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

    /// An attribute that is there or not, without a payload.
    pub(crate) const fn flag() -> Self {
        Self(Self::raw(bindings::NLA_FLAG, 0))
    }
}

/// The rules for attributes 0 to `N - 1`.
#[repr(transparent)]
pub(crate) struct Policy<const N: usize>([Rule; N]);

// SAFETY: The rules are immutable, and what they point to is static.
unsafe impl<const N: usize> Sync for Policy<N> {}

impl<const N: usize> Policy<N> {
    /// A policy, the rule for attribute 0 first.
    pub(crate) const fn new(rules: [Rule; N]) -> Self {
        const { assert!(N > 0) };
        Self(rules)
    }

    pub(super) const fn rules(&self) -> &[Rule] {
        &self.0
    }
}

/// One attribute of a request.
#[derive(Clone, Copy)]
pub(crate) struct Attr<'a> {
    ptr: *const bindings::nlattr,
    _request: PhantomData<&'a bindings::nlattr>,
}

impl<'a> Attr<'a> {
    /// # Safety
    ///
    /// `ptr` is to an attribute that lies whole in a request which lives for `'a`.
    pub(super) unsafe fn from_raw(ptr: *const bindings::nlattr) -> Self {
        Self {
            ptr,
            _request: PhantomData,
        }
    }

    pub(super) fn as_raw(self) -> *const bindings::nlattr {
        self.ptr
    }

    fn payload(self) -> &'a [u8] {
        // SAFETY: By the contract of `from_raw`.
        let len = usize::from(unsafe { (*self.ptr).nla_len });
        let len = len.saturating_sub(size_of::<bindings::nlattr>());
        // SAFETY: By the same, the payload follows the header, in the same message.
        unsafe { core::slice::from_raw_parts(self.ptr.add(1).cast(), len) }
    }

    /// The payload as a number in host byte order; `EINVAL` when there are fewer than 4 bytes.
    pub(crate) fn u32(self) -> Result<u32> {
        let bytes = self.payload().first_chunk().ok_or(EINVAL)?;
        Ok(u32::from_ne_bytes(*bytes))
    }
}

/// Room for the attributes 0 to `N - 1` of a request.
pub(crate) struct AttrTable<'a, const N: usize> {
    attrs: [*mut bindings::nlattr; N],
    _request: PhantomData<&'a bindings::nlattr>,
}

impl<'a, const N: usize> AttrTable<'a, N> {
    /// The attributes nested in `nest`, checked strictly against `policy`.
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

    /// Those that are there.
    pub(crate) fn attrs(&self) -> Attrs<'_> {
        // SAFETY: By what the kernel parsed.
        unsafe { Attrs::from_raw(self.attrs.as_ptr(), N) }
    }
}

/// The attributes of a request, those that are there.
pub(crate) struct Attrs<'a> {
    table: &'a [*mut bindings::nlattr],
}

impl<'a> Attrs<'a> {
    /// # Safety
    ///
    /// `table` is null or to `len` pointers, each null or to an attribute; they and the attributes
    /// live unchanged for `'a`.
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

    /// The attribute `kind`, if the request has it.
    pub(crate) fn get(&self, kind: u32) -> Option<Attr<'a>> {
        let ptr = *self.table.get(u32_as_usize(kind))?;
        // SAFETY: By the contract of `from_raw`, or by what the kernel parsed.
        (!ptr.is_null()).then(|| unsafe { Attr::from_raw(ptr) })
    }
}

/// Where the reason of a refusal goes: the extended acknowledgement of a request.
pub(crate) struct ExtAck<'a> {
    ptr: *mut bindings::netlink_ext_ack,
    _request: PhantomData<&'a mut bindings::netlink_ext_ack>,
}

impl ExtAck<'_> {
    /// # Safety
    ///
    /// `ptr` is null or valid for as long as the result is used.
    pub(super) unsafe fn from_raw(ptr: *mut bindings::netlink_ext_ack) -> Self {
        Self {
            ptr,
            _request: PhantomData,
        }
    }

    pub(super) fn as_raw(&mut self) -> *mut bindings::netlink_ext_ack {
        self.ptr
    }

    /// Refuses a request with `err` because of `attr`, saying `why`; returns `err`.
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

    /// Refuses a request with `EINVAL` because attribute `kind` is missing in `nest` (in the whole
    /// message if that is `None`), saying `why`.
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

    /// Says `why` a request is refused (`NL_SET_ERR_MSG()`). Returns what else can be said of it,
    /// if somebody wants to know.
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
    /// # Safety
    ///
    /// `skb` is a netlink message that nobody else uses for as long as the result is used.
    pub(super) unsafe fn from_raw(skb: *mut bindings::sk_buff) -> Self {
        Self {
            skb,
            _skb: PhantomData,
        }
    }

    fn put(&mut self, kind: u32, payload: &[u8]) -> Result {
        // CAST: Payloads here have a few bytes, and attributes small numbers.
        let (kind, len) = (kind as c_int, payload.len() as c_int);
        // SAFETY: The message is valid, and the payload has `len` bytes.
        to_result(unsafe { bindings::nla_put(self.skb, kind, len, payload.as_ptr().cast()) })
    }

    /// Adds a number in host byte order. Fails with `EMSGSIZE` when the message is full.
    pub(crate) fn put_u32(&mut self, kind: u32, value: u32) -> Result {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Adds an attribute without a payload. Fails with `EMSGSIZE` when the message is full.
    pub(crate) fn put_flag(&mut self, kind: u32) -> Result {
        self.put(kind, &[])
    }
}

/// The room that an attribute with `payload` bytes takes in a message, in bytes.
pub(crate) const fn attr_size(payload: usize) -> usize {
    const ALIGN: usize = bindings::NLA_ALIGNTO as usize;

    size_of::<bindings::nlattr>()
        .saturating_add(payload)
        .saturating_add(ALIGN - 1)
        & !(ALIGN - 1)
}
