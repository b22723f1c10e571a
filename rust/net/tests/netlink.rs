// SPDX-License-Identifier: GPL-2.0

//! Attributes: those of requests, those of answers, and refusals.

use super::packet::packet;

use crate::{
    bindings,
    net::netlink::{
        attr_size,
        Attr,
        AttrTable, //
        Attrs,
        ExtAck,
        Message,
        Policy,
        Rule,
    }, //
};

use kernel::prelude::*;

const NUMBER: u32 = 1;
const FLAG: u32 = 2;

static POLICY: Policy<3> = Policy::new([Rule::unspec(), Rule::u32_min(2), Rule::flag()]);

/// Attributes, aligned as they are in messages.
#[repr(C, align(4))]
struct Bytes<const N: usize>([u8; N]);

impl<const N: usize> Bytes<N> {
    /// The first attribute, which the bytes have to hold as long as it says it is.
    fn attr(&self) -> Attr<'_> {
        // SAFETY: The tests' attributes are as long as they say.
        unsafe { Attr::from_raw(self.0.as_ptr().cast()) }
    }
}

/// A header, in the byte order of the machine.
fn header(len: u16, kind: u32) -> [u8; 4] {
    // CAST: The numbers of attributes are small.
    let ([a, b], [c, d]) = (len.to_ne_bytes(), (kind as u16).to_ne_bytes());
    [a, b, c, d]
}

/// An attribute with four bytes of payload, of which it says that it has `len`.
fn number(len: u16, kind: u32, value: u32) -> Bytes<8> {
    let ([a, b, c, d], [e, f, g, h]) = (header(4 + len, kind), value.to_ne_bytes());
    Bytes([a, b, c, d, e, f, g, h])
}

/// A nest with one attribute in it.
fn nest(inner: &Bytes<8>) -> Bytes<12> {
    let ([a, b, c, d], [e, f, g, h, i, j, k, l]) = (header(12, bindings::NLA_F_NESTED), inner.0);
    Bytes([a, b, c, d, e, f, g, h, i, j, k, l])
}

/// What the kernel says to a nest with this attribute.
fn parse(inner: &Bytes<8>) -> Result<Option<u32>> {
    // SAFETY: There may be none.
    let mut ack = unsafe { ExtAck::from_raw(core::ptr::null_mut()) };
    let nest = nest(inner);
    let table = AttrTable::parse_nested(nest.attr(), &POLICY, &mut ack)?;
    table.attrs().get(NUMBER).map(Attr::u32).transpose()
}

#[kunit_tests(xfrmi_netlink)]
mod cases {
    use super::*;

    #[test]
    fn number_has_four_bytes() {
        assert!(number(4, NUMBER, 0x0102_0304).attr().u32() == Ok(0x0102_0304));
        for len in 0..4 {
            assert!(number(len, NUMBER, 1).attr().u32() == Err(EINVAL));
        }
    }

    /// What is shorter than its own header has no payload.
    #[test]
    fn shorter_than_header() {
        let [a, b, c, d] = header(2, NUMBER);
        assert!(Bytes([a, b, c, d]).attr().u32() == Err(EINVAL));
    }

    #[test]
    fn policy() {
        assert!(parse(&number(4, NUMBER, 7)) == Ok(Some(7)));
        assert!(parse(&number(4, NUMBER, 2)) == Ok(Some(2)));
        // Too small, too short, none of ours, and a flag with a payload.
        assert!(parse(&number(4, NUMBER, 1)) == Err(ERANGE));
        assert!(parse(&number(2, NUMBER, 7)).is_err());
        assert!(parse(&number(4, 3, 7)).is_err());
        assert!(parse(&number(4, FLAG, 7)).is_err());
    }

    #[test]
    fn attributes_that_are_there() {
        let one = number(4, NUMBER, 7);
        let pointers = [
            core::ptr::null_mut(),
            one.0.as_ptr().cast_mut().cast::<bindings::nlattr>(),
        ];
        // SAFETY: There are two pointers, one of them to an attribute.
        let attrs = unsafe { Attrs::from_raw(pointers.as_ptr(), pointers.len()) };
        assert!(attrs.get(0).is_none());
        assert!(attrs.get(1).map(Attr::u32) == Some(Ok(7)));
        assert!(attrs.get(2).is_none());
        assert!(attrs.get(u32::MAX).is_none());
        // SAFETY: No request has no attributes.
        let none = unsafe { Attrs::from_raw(core::ptr::null(), 2) };
        assert!(none.get(1).is_none());
    }

    #[test]
    fn sizes() {
        assert_eq!(attr_size(0), 4);
        assert_eq!(attr_size(1), 8);
        assert_eq!(attr_size(4), 8);
        assert_eq!(attr_size(5), 12);
    }

    #[test]
    fn refusal_names_attribute() {
        const WHY: &CStr = c"because";

        let mut raw = bindings::netlink_ext_ack::default();
        let attr = number(4, NUMBER, 7);
        // SAFETY: It is valid.
        let mut ack = unsafe { ExtAck::from_raw(&raw mut raw) };
        assert!(ack.refuse(ENODEV, Some(attr.attr()), WHY) == ENODEV);
        assert!(raw._msg == WHY.as_char_ptr());
        assert!(raw.bad_attr == attr.attr().as_raw());

        let mut raw = bindings::netlink_ext_ack::default();
        // SAFETY: As above.
        let mut ack = unsafe { ExtAck::from_raw(&raw mut raw) };
        assert!(ack.missing(Some(attr.attr()), FLAG, WHY) == EINVAL);
        assert!(raw._msg == WHY.as_char_ptr());
        assert!(raw.miss_nest == attr.attr().as_raw());
        assert!(u32::from(raw.miss_type) == FLAG);
    }

    #[test]
    fn message_gets_full() -> Result {
        let skb = packet(&[])?;
        // SAFETY: Nobody else uses the packet.
        let mut message = unsafe { Message::from_raw(skb.as_raw()) };
        message.put_u32(NUMBER, 0x0102_0304)?;
        message.put_flag(FLAG)?;
        assert_eq!(skb.len(), 12);
        let [a, b, c, d] = header(8, NUMBER);
        let [e, f, g, h] = 0x0102_0304_u32.to_ne_bytes();
        let [i, j, k, l] = header(4, FLAG);
        assert!(skb.bytes(0) == Some([a, b, c, d, e, f, g, h, i, j, k, l]));
        // A buffer has less than a page for this little.
        let full = (0..1024).find_map(|_| message.put_u32(NUMBER, 0).err());
        assert!(full == Some(EMSGSIZE));
        Ok(())
    }
}
