// SPDX-License-Identifier: GPL-2.0

//! How routes name the connection of their packets: `ip route … encap xfrm if_id ID [link_dev
//! DEV]`.
//!
//! [`Encap`] reads and writes the nested attributes `LWT_XFRM_*` of such a route, in the context
//! that [`EncapOps`] names. Packets of such a route need not go through the queue of an XFRM
//! interface, which has none unless somebody gives it one: they are sent at once.
//!
//! C header: [`include/uapi/linux/lwtunnel.h`](srctree/include/uapi/linux/lwtunnel.h)

use super::interface::Interface;

use crate::{
    bindings,
    compat::casts::u32_as_usize,
    net::{
        netdevice::NetDevice,
        netlink::{
            attr_size,
            Attr,
            AttrTable,
            ExtAck,
            Message,
            Policy,
            Rule, //
        },
        skb::OwnedSkBuff,
        xfrm::{
            EncapOps,
            MdInfo, //
        }, //
    }, //
};

use kernel::{
    prelude::*,
    sync::{
        atomic::Relaxed,
        rcu, //
    }, //
};

/// How many types of attributes there are, with the unused type 0.
const ATTRS: usize = u32_as_usize(bindings::__LWT_XFRM_MAX);

/// What the attributes have to be: two numbers that are not 0.
static POLICY: Policy<ATTRS> = Policy::new([Rule::unspec(), Rule::u32_min(1), Rule::u32_min(1)]);

/// The encapsulation `LWTUNNEL_ENCAP_XFRM`.
pub(crate) struct Encap;

impl EncapOps for Encap {
    /// `LWT_XFRM_IF_ID`, `LWT_XFRM_LINK`.
    const SIZE: usize = attr_size(4) + attr_size(4);

    fn build(encap: Attr<'_>, ack: &mut ExtAck<'_>) -> Result<MdInfo> {
        let table = AttrTable::parse_nested(encap, &POLICY, ack)?;
        let attrs = table.attrs();
        let Some(if_id) = attrs.get(bindings::LWT_XFRM_IF_ID) else {
            return Err(ack.missing(Some(encap), bindings::LWT_XFRM_IF_ID, c"if_id must be set"));
        };
        let link = attrs
            .get(bindings::LWT_XFRM_LINK)
            .map_or(Ok(0), Attr::u32)?;
        Ok(MdInfo {
            if_id: if_id.u32()?,
            // CAST: The attribute is unsigned, the index signed.
            link: link as c_int,
        })
    }

    fn fill(info: MdInfo, message: &mut Message<'_>) -> Result {
        message.put_u32(bindings::LWT_XFRM_IF_ID, info.if_id)?;
        if info.link != 0 {
            // CAST: As above.
            message.put_u32(bindings::LWT_XFRM_LINK, info.link as u32)?;
        }
        Ok(())
    }

    fn transmit(mut skb: OwnedSkBuff, rcu: &rcu::Guard) -> Option<OwnedSkBuff> {
        let dev = skb.device(rcu).and_then(NetDevice::downcast::<Interface>);
        match dev {
            Some(dev) if dev.data().skip_queue.load(Relaxed) && dev.skip_queue(&mut skb, rcu) => {
                dev.start_xmit(skb, rcu);
                None
            }
            _ => Some(skb),
        }
    }
}
