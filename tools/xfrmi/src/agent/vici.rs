// SPDX-License-Identifier: GPL-2.0

//! A connection to charon that hears of events while it asks.
//!
//! What is told by events and what `list-sas` finds fit together only in the order in which charon has
//! sent them, so both come out of one queue. `rsvici` has a queue for each event; besides, it may lose a
//! part of an event when a request is sent just then, and never returns from one that charon does not
//! live to answer.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc::{self, Receiver, Sender},
    task::JoinHandle,
};

/// The kinds of packets.
const CMD_REQUEST: u8 = 0;
const CMD_RESPONSE: u8 = 1;
const EVENT_REGISTER: u8 = 3;
const EVENT_CONFIRM: u8 = 5;
const EVENT: u8 = 7;

/// The longest packet of the protocol.
const LONGEST: u32 = 512 * 1024;
/// How many packets may wait here. When there are more, they wait in charon.
const QUEUE: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// What charon sends.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// An event's name and its message.
    Event(String, Vec<u8>),
    /// A command is through.
    Response,
    /// It will tell of an event from now on.
    Registered,
}

pub struct Vici {
    writer: OwnedWriteHalf,
    packets: Receiver<Result<Packet>>,
    reader: JoinHandle<()>,
}

impl Vici {
    /// A connection on which charon tells of the events.
    pub async fn connect(path: &Path, events: &[&str]) -> Result<Self> {
        let (reader, writer) = UnixStream::connect(path).await?.into_split();
        let (sender, packets) = mpsc::channel(QUEUE);
        let mut vici = Self {
            writer,
            packets,
            reader: tokio::spawn(read(reader, sender)),
        };
        tokio::time::timeout(PATIENCE, vici.register(events))
            .await
            .context("charon does not answer")??;
        Ok(vici)
    }

    async fn register(&mut self, events: &[&str]) -> Result<()> {
        for event in events {
            self.send(EVENT_REGISTER, event).await?;
            // Events that are registered already may come before; the list of all SAs has what they
            // tell, as it is asked for later.
            while self.receive().await? != Packet::Registered {}
        }
        Ok(())
    }

    /// Asks for something without parameters.
    pub async fn ask(&mut self, command: &str) -> Result<()> {
        self.send(CMD_REQUEST, command).await
    }

    async fn send(&mut self, kind: u8, name: &str) -> Result<()> {
        let mut bytes = Vec::new();
        bytes.extend(u32::try_from(name.len() + 2)?.to_be_bytes());
        bytes.extend([kind, u8::try_from(name.len())?]);
        bytes.extend(name.as_bytes());
        Ok(self.writer.write_all(&bytes).await?)
    }

    /// The next packet. Nothing is lost if this is not waited for to its end.
    pub async fn receive(&mut self) -> Result<Packet> {
        self.packets
            .recv()
            .await
            .unwrap_or_else(|| Err(anyhow!("charon has closed the connection")))
    }

    /// The next packet if it is there already.
    pub fn received(&mut self) -> Option<Result<Packet>> {
        self.packets.try_recv().ok()
    }
}

impl Drop for Vici {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Reads packets until there are no more, of which the reason is the last thing that is sent.
async fn read(mut from: OwnedReadHalf, to: Sender<Result<Packet>>) {
    loop {
        let packet = packet(&mut from).await;
        let last = packet.is_err();
        if to.send(packet).await.is_err() || last {
            return;
        }
    }
}

async fn packet(from: &mut OwnedReadHalf) -> Result<Packet> {
    let length = from
        .read_u32()
        .await
        .context("charon has closed the connection")?;
    if !(1..=LONGEST).contains(&length) {
        bail!("charon sends {length} bytes at once");
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)
        .await
        .context("charon has closed the connection")?;
    Ok(match bytes[0] {
        EVENT => {
            let end = 2 + usize::from(*bytes.get(1).context("an event without a name")?);
            let name = bytes.get(2..end).context("an event without a name")?;
            Packet::Event(
                String::from_utf8_lossy(name).into_owned(),
                bytes[end..].to_vec(),
            )
        }
        CMD_RESPONSE => Packet::Response,
        EVENT_CONFIRM => Packet::Registered,
        kind => {
            bail!("charon does not know an event or command, or sends what is none: packet {kind}")
        }
    })
}
