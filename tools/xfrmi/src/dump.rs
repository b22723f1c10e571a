// SPDX-License-Identifier: GPL-2.0

//! `xfrmi dump`: the packets of a tenant, in the clear.

mod event;
mod file;
mod taps;

use std::{
    fs,
    io::{self, ErrorKind, IsTerminal, Write},
    os::fd::AsFd,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use pcap_file::PcapError;

use crate::{
    bpf::Programs,
    cli::{Dump, Global},
    live::Live,
    tenants::Tenants,
};
use event::Event;
use file::File;
use taps::Taps;

const OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/dump.bpf.o"));

/// How often to look for devices and connections that have come or gone.
const PATIENCE: Duration = Duration::from_secs(1);

struct Session {
    tenants: Tenants,
    programs: Programs,
    taps: Taps,
    file: File,
    /// How many packets are still to be written, if that is limited.
    left: Option<u64>,
    written: u64,
    lost: u64,
}

pub fn run(global: &Global, options: &Dump) -> Result<ExitCode> {
    let mut live = Live::new()?;
    if options.write.is_none() && io::stdout().is_terminal() {
        bail!("packets are no text for a terminal: add '| tcpdump -n -r -', or '-w FILE'");
    }
    let all = u32::from(options.tenants.is_empty());
    let mut programs = Programs::new(OBJECT, &[options.snaplen, all])?;
    let tenants = Tenants::load(&global.vici, &options.tenants)?;
    let taps = Taps::new(&mut programs)?;
    let to: Box<dyn Write> = match &options.write {
        Some(path) => Box::new(fs::File::create(path).with_context(|| path.display().to_string())?),
        None => Box::new(io::stdout()),
    };
    let file = File::new(to, options.snaplen)?;
    let left = options.end.count;
    let mut session = Session {
        tenants,
        programs,
        taps,
        file,
        left,
        written: 0,
        lost: 0,
    };
    match session.go(&mut live, options.end.timeout) {
        Err(error) if is_unread(&error) => {}
        result => result?,
    }
    let Session { written, lost, .. } = session;
    eprintln!("xfrmi: {written} packets, {lost} lost");
    Ok(ExitCode::SUCCESS)
}

/// That nobody reads it any more is no error.
fn is_unread(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PcapError::IoError(error)) if error.kind() == ErrorKind::BrokenPipe)
}

impl Session {
    fn go(&mut self, live: &mut Live, timeout: Option<f64>) -> Result<()> {
        let names = self.follow()?;
        let names = if names.is_empty() {
            "no XFRM interface yet".to_owned()
        } else {
            names.join(", ")
        };
        live.limit(timeout);
        eprintln!("xfrmi: listening on {names}");
        loop {
            let more = live.wait(self.programs.ring.as_fd(), PATIENCE)?;
            let more = self.write()? && more;
            self.file.flush()?;
            self.lost += self.programs.lost();
            if !more {
                return Ok(());
            }
            if self.tenants.refresh() {
                for name in self.follow()? {
                    eprintln!("xfrmi: listening on {name}, too");
                }
            }
        }
    }

    /// Has the programs where the devices are now. Returns the names of new ones.
    fn follow(&mut self) -> Result<Vec<String>> {
        let new = self.taps.follow(&mut self.programs.object, &self.tenants)?;
        for (index, name) in &new {
            self.file.device(*index, name)?;
        }
        self.file.flush()?;
        Ok(new.into_iter().map(|(_, name)| name).collect())
    }

    /// Writes what there is. Whether more is to be written.
    fn write(&mut self) -> Result<bool> {
        while self.left != Some(0) {
            let Some(bytes) = self.programs.ring.next() else {
                return Ok(true);
            };
            let Some(event) = Event::parse(&bytes) else {
                self.lost += 1;
                continue;
            };
            let device = self.tenants.links().name(event.ifindex);
            let tenant = self.tenants.name(event.if_id, &device);
            self.file.packet(&event, &device, tenant)?;
            self.written += 1;
            self.left = self.left.map(|left| left - 1);
        }
        Ok(false)
    }
}
