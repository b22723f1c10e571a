// SPDX-License-Identifier: GPL-2.0

//! What the agent waits for, and does then.

use std::{path::Path, time::Duration};

use anyhow::Result;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    config::Config,
    desired::Desired,
    events::{self, EVENTS, LISTED},
    kernel::Kernel,
    log,
    sas::Sas,
    vici::{Packet, Vici},
    watch::Watch,
};
use crate::cli::{Agent, Global};

/// How long until what has failed is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Changes of devices and routes come in droves.
const SETTLE: Duration = Duration::from_millis(50);
/// How long charon may take to list its SAs for the first time. Until then nobody knows whose the
/// routes of an earlier life are.
const FIRST_LIST: Duration = Duration::from_secs(10);
/// How many packets of charon's are looked at before the routes are.
const BATCH: usize = 256;

/// What has happened.
enum Heard {
    Vici(Result<Packet>),
    Kernel,
    Time,
    Reload,
    End,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

struct Daemon<'a> {
    file: &'a Path,
    socket: &'a Path,
    config: Config,
    kernel: Kernel,
    watch: Watch,
    signals: Signals,
    vici: Option<Vici>,
    sas: Sas,
    /// The list of all SAs has been read on this connection.
    listed: bool,
    /// Why there is no connection, as far as it has been said.
    silence: String,
    next_connect: Instant,
    next_list: Instant,
    next_look: Instant,
    /// Until when the first list has to be there.
    patience: Instant,
}

pub async fn run(global: &Global, options: &Agent, config: Config) -> Result<()> {
    let now = Instant::now();
    let mut daemon = Daemon {
        file: &options.config,
        socket: &global.vici,
        config,
        kernel: Kernel::new()?,
        watch: Watch::new()?,
        signals: Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        },
        vici: None,
        sas: Sas::default(),
        listed: false,
        silence: String::new(),
        next_connect: now,
        next_list: now,
        next_look: now,
        patience: now,
    };
    daemon.run().await
}

impl Daemon<'_> {
    async fn run(&mut self) -> Result<()> {
        self.connect().await;
        // The routes of an earlier life are looked at before anybody relies on them.
        while self.vici.is_some() && !self.listed {
            let heard = self.wait().await?;
            if !self.handle(heard).await {
                return Ok(());
            }
        }
        notify(&[sd_notify::NotifyState::Ready]);
        loop {
            let heard = self.wait().await?;
            if !self.handle(heard).await {
                notify(&[sd_notify::NotifyState::Stopping]);
                return Ok(());
            }
        }
    }

    async fn wait(&mut self) -> Result<Heard> {
        let mut next = self.next_look.min(match self.vici {
            None => self.next_connect,
            Some(_) => self.next_list,
        });
        if self.vici.is_some() && !self.listed {
            next = next.min(self.patience);
        }
        let port = self.kernel.port;
        let packet = async {
            match &mut self.vici {
                Some(vici) => vici.receive().await,
                None => std::future::pending().await,
            }
        };
        Ok(tokio::select! {
            packet = packet => Heard::Vici(packet),
            () = self.watch.changed(self.config.protocol, port) => Heard::Kernel,
            () = sleep_until(next) => Heard::Time,
            _ = self.signals.hangup.recv() => Heard::Reload,
            _ = self.signals.terminate.recv() => Heard::End,
            _ = self.signals.interrupt.recv() => Heard::End,
        })
    }

    /// Whether to go on.
    async fn handle(&mut self, heard: Heard) -> bool {
        match heard {
            Heard::Vici(packet) => {
                let mut result = packet.and_then(|packet| self.take(packet));
                // At reauthentication what comes first is the new one, so it does no harm that the
                // rest may have to wait.
                for _ in 0..BATCH {
                    let Some(next) = self.vici.as_mut().and_then(Vici::received) else {
                        break;
                    };
                    result = result.and(next).and_then(|packet| self.take(packet));
                }
                match result {
                    Ok(()) => self.look(),
                    Err(why) => self.lost(&format!("{why:#}")),
                }
            }
            Heard::Kernel => {
                let until = Instant::now() + SETTLE;
                let port = self.kernel.port;
                while timeout_at(until, self.watch.changed(self.config.protocol, port))
                    .await
                    .is_ok()
                {}
                self.look();
            }
            Heard::Time => self.on_time().await,
            Heard::Reload => self.reload(),
            Heard::End => return false,
        }
        true
    }

    async fn on_time(&mut self) {
        let now = Instant::now();
        if self.vici.is_none() && now >= self.next_connect {
            self.connect().await;
        }
        if self.vici.is_some() && !self.listed && now >= self.patience {
            self.lost("charon does not list its SAs");
        }
        if self.vici.is_some() && now >= self.next_list {
            self.list().await;
        }
        if now >= self.next_look {
            self.look();
        }
    }

    async fn connect(&mut self) {
        self.next_connect = Instant::now() + RETRY / 2;
        match Vici::connect(self.socket, &EVENTS).await {
            Ok(vici) => {
                self.vici = Some(vici);
                self.sas = Sas::default();
                self.patience = Instant::now() + FIRST_LIST;
                self.list().await;
            }
            // It is there, but has no time.
            Err(why) if is_busy(&why) => {}
            Err(why) => self.lost(&format!("{why:#}")),
        }
    }

    async fn list(&mut self) {
        self.next_list = Instant::now() + self.config.interval;
        // The next one begins when this one has ended.
        if self.sas.is_listing() {
            self.next_list = Instant::now() + RETRY;
            return;
        }
        if let Some(vici) = &mut self.vici {
            self.sas.list();
            if let Err(why) = vici.ask("list-sas").await {
                self.lost(&format!("{why:#}"));
            }
        }
    }

    /// A packet of charon's.
    fn take(&mut self, packet: Packet) -> Result<()> {
        match packet {
            Packet::Event(name, message) => match events::decode(&name, &message) {
                Ok(found) => found.into_iter().for_each(|event| self.sas.apply(event)),
                // What it would have told is in the list.
                Err(why) => {
                    log::warning(format!("charon's '{name}' can't be read: {why:#}"));
                    if name != LISTED {
                        self.next_list = Instant::now();
                    }
                }
            },
            Packet::Response => {
                self.sas.listed();
                if !self.listed {
                    self.listed = true;
                    self.silence.clear();
                    log::info(format!("charon answers: {} CHILD_SAs", self.sas.len()));
                }
            }
            Packet::Registered => {}
        }
        Ok(())
    }

    /// There is no charon any more, or none yet.
    fn lost(&mut self, why: &str) {
        self.vici = None;
        self.listed = false;
        self.sas = Sas::default();
        self.next_connect = Instant::now() + RETRY / 2;
        if self.silence != why {
            log::warning(format!(
                "{}: {why}; without charon there are no routes",
                self.socket.display()
            ));
            self.silence = why.to_owned();
        }
        self.look();
    }

    /// Makes the routes what they should be.
    fn look(&mut self) {
        self.next_look = Instant::now() + self.config.interval;
        // Until it is known what charon has, what there is stays.
        if self.vici.is_some() && !self.listed {
            return;
        }
        let desired = Desired::new(&self.config, &self.sas);
        match self.kernel.reconcile(&self.config, &desired) {
            Ok(true) => {}
            Ok(false) => self.next_look = Instant::now() + RETRY,
            Err(why) => {
                log::warning(format!("{why:#}"));
                self.next_look = Instant::now() + RETRY;
            }
        }
    }

    fn reload(&mut self) {
        if let Ok(now) = sd_notify::NotifyState::monotonic_usec_now() {
            notify(&[sd_notify::NotifyState::Reloading, now]);
        }
        match Config::load(self.file) {
            Ok(config) => {
                // Nobody would know the old ones for the agent's any more.
                if config.protocol != self.config.protocol
                    && let Err(why) = self.kernel.flush(&self.config)
                {
                    log::warning(format!("{why:#}"));
                }
                self.config = config;
                log::info(format!("{}: read again", self.file.display()));
                self.look();
            }
            Err(wrong) => {
                for line in wrong.lines() {
                    log::warning(line);
                }
                log::warning("the configuration stays as it was");
            }
        }
        notify(&[sd_notify::NotifyState::Ready]);
    }
}

/// Whether charon has the socket, but does not accept just now.
fn is_busy(why: &anyhow::Error) -> bool {
    why.downcast_ref::<std::io::Error>()
        .is_some_and(|why| why.kind() == std::io::ErrorKind::WouldBlock)
}

/// Tells systemd, if it has started us.
fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(why) = sd_notify::notify(false, state) {
        log::warning(format!("systemd is not told: {why}"));
    }
}
