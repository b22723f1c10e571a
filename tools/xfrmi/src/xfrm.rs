// SPDX-License-Identifier: GPL-2.0

//! The policies and states of a namespace that belong to connections: those with an if_id.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use ipnet::IpNet;
use netlink_packet_xfrm::{
    Address, Selector, UserTemplate, XfrmAttrs, XfrmMessage,
    constants::{
        AF_INET6, XFRM_MODE_BEET, XFRM_MODE_TRANSPORT, XFRM_MODE_TUNNEL, XFRM_POLICY_ALLOW,
        XFRM_POLICY_FWD, XFRM_POLICY_IN, XFRM_POLICY_OUT,
    },
    policy, state,
};
use serde::Serialize;

use crate::{netlink::Netlink, overhead::Overhead};

/// No limit.
const XFRM_INF: u64 = u64::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Out,
    In,
    Forward,
}

#[derive(Debug, Clone)]
pub struct Policy {
    pub if_id: u32,
    pub direction: Direction,
    /// Whether packets pass, or are dropped.
    pub allow: bool,
    pub priority: u32,
    pub source: IpNet,
    pub destination: IpNet,
    /// 0 where any is meant.
    pub protocol: u8,
    /// Whether ports, or a device, make it narrower than this.
    pub narrower: bool,
    pub mark: Option<(u32, u32)>,
    /// Of the states that packets need, in the order in which they are sent.
    pub templates: Vec<Template>,
}

#[derive(Debug, Clone)]
pub struct Template {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub mode: Mode,
    pub reqid: u32,
    pub spi: u32,
    pub optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Transport,
    Tunnel,
    Beet,
    Other,
}

#[derive(Debug, Clone)]
pub struct State {
    pub if_id: u32,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    pub spi: u32,
    pub reqid: u32,
    pub mode: Mode,
    pub bytes: u64,
    pub packets: u64,
    /// When it was added, in seconds of the epoch.
    pub added: u64,
    /// The age in seconds at which a new one is asked for, and at which it ends.
    pub soft: Option<u64>,
    pub hard: Option<u64>,
    pub replays: u32,
    pub failures: u32,
    /// How much larger it makes packets, where that is known.
    pub overhead: Option<Overhead>,
}

/// The policies with an if_id, as the kernel walks them.
pub fn policies(netlink: &mut Netlink) -> Result<Vec<Policy>> {
    let request = XfrmMessage::GetPolicy(policy::DelGetMessage::default());
    Ok(netlink
        .dump(request)?
        .iter()
        .filter_map(|message| match message {
            XfrmMessage::AddPolicy(message) => Policy::new(message),
            _ => None,
        })
        .collect())
}

/// The states with an if_id.
pub fn states(netlink: &mut Netlink) -> Result<Vec<State>> {
    let request = XfrmMessage::GetDumpSa(state::GetDumpMessage::default());
    Ok(netlink
        .dump(request)?
        .iter()
        .filter_map(|message| match message {
            XfrmMessage::AddSa(message) => State::new(message),
            _ => None,
        })
        .collect())
}

fn if_id(attributes: &[XfrmAttrs]) -> Option<u32> {
    attributes.iter().find_map(|attribute| match attribute {
        XfrmAttrs::IfId(if_id) if *if_id != 0 => Some(*if_id),
        _ => None,
    })
}

fn mark(attributes: &[XfrmAttrs]) -> Option<(u32, u32)> {
    attributes.iter().find_map(|attribute| match attribute {
        XfrmAttrs::Mark(mark) if mark.mask != 0 => Some((mark.value, mark.mask)),
        _ => None,
    })
}

fn ip(address: &Address, family: u16) -> IpAddr {
    if family == AF_INET6 {
        address.to_ipv6().into()
    } else {
        address.to_ipv4().into()
    }
}

fn net(address: &Address, length: u8, family: u16) -> Option<IpNet> {
    IpNet::new(ip(address, family), length).ok()
}

impl Policy {
    fn new(message: &policy::ModifyMessage) -> Option<Self> {
        let info = &message.user_policy_info;
        let selector = &info.selector;
        let direction = match info.direction {
            XFRM_POLICY_IN => Direction::In,
            XFRM_POLICY_OUT => Direction::Out,
            XFRM_POLICY_FWD => Direction::Forward,
            // Those of sockets.
            _ => return None,
        };
        let templates = message.nlas.iter().find_map(|attribute| match attribute {
            XfrmAttrs::Template(templates) => Some(templates.iter().map(Template::new).collect()),
            _ => None,
        });
        Some(Self {
            if_id: if_id(&message.nlas)?,
            direction,
            allow: info.action == XFRM_POLICY_ALLOW,
            priority: info.priority,
            source: net(&selector.saddr, selector.prefixlen_s, selector.family)?,
            destination: net(&selector.daddr, selector.prefixlen_d, selector.family)?,
            protocol: selector.proto,
            narrower: is_narrower(selector),
            mark: mark(&message.nlas),
            templates: templates.unwrap_or_default(),
        })
    }

    /// Whether it may be for packets from one address to another. What is not known of them, as
    /// ports and marks, is left out.
    pub fn covers(&self, from: Option<IpAddr>, to: IpAddr) -> bool {
        self.destination.contains(&to) && from.is_none_or(|from| self.source.contains(&from))
    }
}

fn is_narrower(selector: &Selector) -> bool {
    selector.dport_mask != 0 || selector.sport_mask != 0 || selector.ifindex != 0
}

impl Template {
    fn new(template: &UserTemplate) -> Self {
        Self {
            source: ip(&template.saddr, template.family),
            destination: ip(&template.id.daddr, template.family),
            protocol: template.id.proto,
            mode: Mode::new(template.mode),
            reqid: template.reqid,
            spi: template.id.spi,
            optional: template.optional != 0,
        }
    }

    /// Whether packets may use the state.
    pub fn fits(&self, state: &State) -> bool {
        self.protocol == state.protocol
            && self.mode == state.mode
            && (self.reqid == 0 || self.reqid == state.reqid)
            && (self.spi == 0 || self.spi == state.spi)
            // Addresses of transport mode are those of the packets.
            && (self.mode == Mode::Transport
                || (self.destination.is_unspecified() || self.destination == state.destination)
                    && (self.source.is_unspecified() || self.source == state.source))
    }
}

impl Mode {
    fn new(mode: u8) -> Self {
        match mode {
            XFRM_MODE_TRANSPORT => Self::Transport,
            XFRM_MODE_TUNNEL => Self::Tunnel,
            XFRM_MODE_BEET => Self::Beet,
            _ => Self::Other,
        }
    }
}

impl State {
    fn new(message: &state::ModifyMessage) -> Option<Self> {
        let info = &message.user_sa_info;
        let limit = |seconds| (seconds != 0 && seconds != XFRM_INF).then_some(seconds);
        Some(Self {
            if_id: if_id(&message.nlas)?,
            source: ip(&info.saddr, info.family),
            destination: ip(&info.id.daddr, info.family),
            protocol: info.id.proto,
            spi: info.id.spi,
            reqid: info.reqid,
            mode: Mode::new(info.mode),
            bytes: info.lifetime_cur.bytes,
            packets: info.lifetime_cur.packets,
            added: info.lifetime_cur.add_time,
            soft: limit(info.lifetime_cfg.soft_add_expires_seconds),
            hard: limit(info.lifetime_cfg.hard_add_expires_seconds),
            replays: info.stats.replay + info.stats.replay_window,
            failures: info.stats.integrity_failed,
            overhead: Overhead::new(
                info.id.proto,
                Mode::new(info.mode),
                info.family,
                &message.nlas,
            ),
        })
    }

    /// For how many seconds it has been there.
    pub fn age(&self) -> u64 {
        now().saturating_sub(self.added)
    }
}

/// The seconds of the epoch.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// What a protocol of IPsec is called.
pub fn protocol_name(protocol: u8) -> String {
    match protocol {
        50 => "esp".into(),
        51 => "ah".into(),
        108 => "comp".into(),
        other => other.to_string(),
    }
}
