// SPDX-License-Identifier: GPL-2.0

//! BPF programs: loading them, what they send, and in words what keeps them from being loaded.

use std::{io, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, MapData, RingBuf},
};

/// The kernel's description of its types.
pub const TYPES: &str = "/sys/kernel/btf/vmlinux";

/// What has kept the programs from the system's memory, if anything has.
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// Programs with a ring in which they put events, and a counter of those for which it had no room.
pub struct Programs {
    pub object: Ebpf,
    pub ring: RingBuf<MapData>,
    lost: Array<MapData, u64>,
    told: u64,
}

impl Programs {
    /// Creates their maps; they are loaded one by one.
    pub fn new(object: &[u8], config: &[u32]) -> Result<Self> {
        if !Path::new(TYPES).exists() {
            bail!(
                "the kernel does not describe its types in {TYPES}: it has to be built with \
                 CONFIG_BPF_SYSCALL and CONFIG_DEBUG_INFO_BTF, as those of distributions are"
            );
        }
        let mut object = EbpfLoader::new()
            .override_global("config", config, true)
            .load(object)
            .map_err(|error| explain(error.into()))?;
        let mut take = |name| {
            object
                .take_map(name)
                .with_context(|| format!("no map '{name}'"))
        };
        let ring = RingBuf::try_from(take("events")?)?;
        let lost = Array::try_from(take("lost")?)?;
        Ok(Self {
            object,
            ring,
            lost,
            told: 0,
        })
    }

    /// How many events have been lost since this was asked the last time.
    pub fn lost(&mut self) -> u64 {
        let all = self.lost.get(&0, 0).unwrap_or(self.told);
        let new = all.saturating_sub(self.told);
        self.told = all;
        new
    }
}

/// A program of an object, as what it is.
pub fn program<'a, P>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut P>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = aya::programs::ProgramError>,
{
    Ok(object
        .program_mut(name)
        .with_context(|| format!("no program '{name}'"))?
        .try_into()?)
}

/// Says what an error of the kernel's means here.
pub fn explain(error: anyhow::Error) -> anyhow::Error {
    let code = error
        .chain()
        .find_map(|cause| {
            cause
                .downcast_ref::<io::Error>()
                .and_then(io::Error::raw_os_error)
        })
        .map(nix::errno::Errno::from_raw);
    match code {
        Some(nix::errno::Errno::EPERM) => {
            let locked = std::fs::read_to_string(LOCKDOWN).unwrap_or_default();
            if locked.contains("[confidentiality]") {
                anyhow!("the kernel is locked down, and lets nobody see packets: {LOCKDOWN}")
            } else {
                anyhow!(
                    "it loads BPF programs, for which one has to be root, or have CAP_BPF, \
                     CAP_PERFMON and CAP_NET_ADMIN"
                )
            }
        }
        Some(nix::errno::Errno::ENOSYS) => {
            anyhow!("the kernel has no BPF: it has to be built with CONFIG_BPF_SYSCALL")
        }
        _ => error.context("the kernel does not take a BPF program"),
    }
}

/// Of the namespace we are in, the number that programs know it by.
pub fn namespace() -> Result<u32> {
    use std::os::unix::fs::MetadataExt;

    let found = std::fs::metadata("/proc/self/ns/net").context("/proc is not mounted")?;
    Ok(u32::try_from(found.ino())?)
}
