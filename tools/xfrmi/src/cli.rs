// SPDX-License-Identifier: GPL-2.0

//! The command line. The man page and the completions of shells are made of this, too.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Operates an IPsec gateway with XFRM interfaces.
///
/// Runs with the Rust driver and with the C driver. Needs root, or CAP_NET_ADMIN in the namespace.
#[derive(Parser)]
#[command(name = "xfrmi", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args, Clone)]
pub struct Global {
    /// Prints JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,

    /// The network namespace to look at: a name that `ip netns` knows, or the path of a file
    #[arg(long, short = 'n', global = true, value_name = "NAME")]
    pub netns: Option<String>,

    /// The socket on which charon listens for vici
    ///
    /// Names of connections come from there. Nothing else is lost where nobody listens.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "/run/charon.vici"
    )]
    pub vici: std::path::PathBuf,
}

#[derive(Subcommand)]
pub enum Command {
    /// Lists the connections of a namespace, and what is inconsistent
    ///
    /// Of each if_id: devices, VRF, routes with `encap xfrm`, policies, states with age and bytes,
    /// and its name where vici answers. Exits with 2 if something is inconsistent.
    List(List),

    /// Says where a packet to an address would go, and where it would end
    ///
    /// Nothing is sent. The route, the connection, the policy, the state, the MTU and the way back
    /// are what the kernel would find now; ports, marks, and what netfilter, TC and BPF do are not
    /// known. Exits with 2 if no packet would get through the tunnel.
    Why(Why),

    /// Shows which tenants use the line: packets and bytes in the clear, both ways, live
    Top(Top),

    /// Serves what Prometheus asks for: bytes, packets, drops, states and rekeys of each tenant
    ///
    /// Counters begin when the exporter does. What a state has counted is read again and again, so that
    /// what it carries between two readings and its end is missed.
    Exporter(Exporter),

    /// Moves a connection's routes from its static device to an external one, or back
    ///
    /// They are put onto a nexthop object, which then leads elsewhere in one step. To external: the
    /// addresses of the static device get onto the VRF, or the external device, and the static device
    /// is deleted, so that what comes in does so by the external one. To static: a device is made if
    /// there is none; addresses stay where they are. If anything fails, all is as it was. Who configures
    /// the device when the machine starts has to be told, too.
    Migrate(Migrate),

    /// Changes the driver while the gateway runs: what xfrm-interface-switch does
    ///
    /// The arguments are those of xfrm-interface-switch(8): rust, c, status or restore, and options.
    Switch(Switch),

    /// Keeps the routes of IKE connections, as a daemon
    ///
    /// Listens to charon and has a route with `encap xfrm` for each remote traffic selector of a
    /// CHILD_SA, in the VRF of the tenant that it belongs to. Ends only when it is told to; its routes
    /// stay then, and the next one goes on with them. SIGHUP makes it read its configuration again.
    ///
    /// When charon goes, so do the routes: the if_ids that it gives by itself begin from 1 when it comes
    /// back, and may be another tenant's then.
    Agent(Agent),

    /// Shows packets that XFRM interfaces drop, and why, as it happens
    ///
    /// These are packets that the interfaces drop, and those of theirs that the rest of the kernel
    /// drops. Equal drops within a second are one line with a count. Needs root, and a kernel with
    /// BPF and BTF. While it runs, the module of the Rust driver can't be removed.
    Drops(Drops),

    /// Writes the packets of a tenant on XFRM interfaces, in the clear, as pcapng
    ///
    /// As in `xfrmi dump --tenant red | tcpdump -n -r -`. Comments say of each packet to which
    /// connection it belongs, and in which direction it goes. On the way out it is seen before
    /// filters of `tc` that are at the interface. Needs root, and Linux 6.6 or newer with BTF.
    Dump(Dump),
}

#[derive(Args)]
pub struct List {
    /// Only these connections: an if_id, or the name of a VRF, a device or an IKE connection
    #[arg(value_name = "TENANT")]
    pub tenants: Vec<String>,

    /// Only connections of which something is inconsistent
    #[arg(long)]
    pub wrong: bool,
}

#[derive(Args)]
pub struct Why {
    /// Where the packet is to go
    pub address: IpAddr,

    /// The VRF that it is sent in: from a socket that is bound to it, or from behind one of its
    /// devices
    #[arg(long, value_name = "VRF")]
    pub vrf: Option<String>,

    /// Where it comes from
    ///
    /// An address of another machine means that the packet is forwarded.
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<IpAddr>,
}

#[derive(Args)]
pub struct Top {
    /// Only these tenants, as in `xfrmi list`
    #[arg(value_name = "TENANT")]
    pub tenants: Vec<String>,

    /// How often it is shown
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    pub interval: f64,

    /// Ends after so many times
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,

    /// How many tenants are shown, those with most bytes first
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub lines: usize,
}

#[derive(Args)]
pub struct Exporter {
    /// Where it listens
    #[arg(long, default_value = "[::1]:9912", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,

    /// How often counters are read
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    pub interval: f64,

    /// How many connections have time series of their own; what others count is in those of the tenant
    /// "other"
    #[arg(long, default_value_t = 5000, value_name = "N")]
    pub max_tenants: usize,
}

#[derive(Args)]
pub struct Migrate {
    /// The connection: an if_id, or the name of a VRF, a device or an IKE connection
    pub tenant: String,

    /// Where its routes are to lead
    #[arg(long)]
    pub to: Side,

    /// The external device, where there are several
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,

    /// What the static device is called that is made; ipsec and the if_id unless given
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Side {
    External,
    Static,
}

#[derive(Args)]
pub struct Switch {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub arguments: Vec<std::ffi::OsString>,
}

#[derive(Args)]
pub struct Agent {
    /// The configuration: the device, and who the tenants are
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = "/etc/xfrmi/agent.conf"
    )]
    pub config: std::path::PathBuf,

    /// Says what is wrong with the configuration, and does nothing else
    #[arg(long, conflicts_with = "flush")]
    pub check: bool,

    /// Removes all of the agent's routes, and does nothing else
    #[arg(long)]
    pub flush: bool,
}

#[derive(Args)]
pub struct End {
    /// Ends after so many lines or packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Ends after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<f64>,
}

#[derive(Args)]
pub struct Drops {
    /// Only these connections: an if_id, or the name of a VRF, a device or an IKE connection
    #[arg(value_name = "TENANT")]
    pub tenants: Vec<String>,

    #[command(flatten)]
    pub end: End,
}

#[derive(Args)]
pub struct Dump {
    /// Only these connections: an if_id, or the name of a VRF, a device or an IKE connection
    ///
    /// Packets of all connections unless given. May be given several times.
    #[arg(long = "tenant", short, value_name = "TENANT")]
    pub tenants: Vec<String>,

    /// The file to write, instead of what is piped to
    #[arg(long, short, value_name = "FILE")]
    pub write: Option<std::path::PathBuf>,

    /// How many bytes to take of each packet at most
    #[arg(long, value_name = "BYTES", default_value_t = SNAPLEN,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(SNAPLEN)))]
    pub snaplen: u32,

    #[command(flatten)]
    pub end: End,
}

/// As much as programs that read captures take for one packet.
const SNAPLEN: u32 = 262_144;

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds),
        _ => Err("not a number of seconds".to_owned()),
    }
}
