// SPDX-License-Identifier: GPL-2.0

//! Requests to the kernel over netlink, and its answers. What they consist of is in the packet
//! crates.

use std::fmt::Debug;

use anyhow::{Context, Result, bail};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr, protocols};

/// How often a dump is made anew that something has changed in the middle of.
const ATTEMPTS: usize = 10;

/// A socket of one of netlink's protocols, for the namespace in which it was opened.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// For devices, addresses and routes.
    pub fn route() -> Result<Self> {
        Self::new(protocols::NETLINK_ROUTE)
    }

    /// For policies and states.
    pub fn xfrm() -> Result<Self> {
        Self::new(protocols::NETLINK_XFRM)
    }

    fn new(protocol: isize) -> Result<Self> {
        let mut socket = Socket::new(protocol).context("no netlink socket")?;
        socket.bind_auto().context("no netlink address")?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Or IPv4 routes of all tables come when one is asked for.
        socket.set_netlink_get_strict_chk(true)?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// The socket's address, which is in the kernel's messages about what it has done.
    pub fn port(&self) -> Result<u32> {
        let mut address = SocketAddr::new(0, 0);
        self.socket.get_address(&mut address)?;
        Ok(address.port_number())
    }

    /// All objects of a kind, as one moment knows them as far as the kernel can tell.
    pub fn dump<M>(&mut self, request: M) -> Result<Vec<M>>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Clone + Debug,
    {
        for _ in 0..ATTEMPTS {
            let (found, interrupted) = self.exchange(request.clone(), NLM_F_DUMP)?;
            if !interrupted {
                return Ok(found);
            }
        }
        bail!("what the kernel has changes faster than it can be read")
    }

    /// One request and its answer, if it has any.
    pub fn request<M>(&mut self, request: M, flags: u16) -> Result<Option<M>>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Clone + Debug,
    {
        Ok(self.exchange(request, flags)?.0.pop())
    }

    fn exchange<M>(&mut self, request: M, flags: u16) -> Result<(Vec<M>, bool)>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Debug,
    {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::new(
            NetlinkHeader::default(),
            NetlinkPayload::InnerMessage(request),
        );
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;

        let (mut found, mut interrupted) = (Vec::new(), false);
        // What a dump finds ends with a message of its own; an answer is alone, unless it is to be
        // acknowledged.
        let is_dump = flags & NLM_F_DUMP == NLM_F_DUMP;
        loop {
            let (answer, _) = self.socket.recv_from_full()?;
            let mut rest = answer.as_slice();
            while !rest.is_empty() {
                let one = NetlinkMessage::<M>::deserialize(rest)?;
                let length = (one.header.length as usize)
                    .next_multiple_of(4)
                    .min(rest.len());
                rest = &rest[length..];
                if one.header.sequence_number != self.sequence {
                    continue;
                }
                interrupted |= one.header.flags & NLM_F_DUMP_INTR != 0;
                match one.payload {
                    NetlinkPayload::InnerMessage(inner) => {
                        found.push(inner);
                        if !is_dump && flags & NLM_F_ACK == 0 {
                            return Ok((found, false));
                        }
                    }
                    NetlinkPayload::Done(_) => return Ok((found, interrupted)),
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(error.to_io().into());
                    }
                    NetlinkPayload::Error(_) => return Ok((found, false)),
                    _ => {}
                }
            }
        }
    }
}
