//! The rust-libp2p interop peer: its arguments and output are described in ../README.md.

mod connect;
mod counter;
mod exchanges;
mod host;
mod listen;
mod parts;
mod perf;
mod probes;
mod pubsub;
mod pubsub_config;
mod streams;

use std::process::exit;

use clap::{Args, Parser, Subcommand};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use host::KeyType;

#[derive(Parser)]
#[command(name = "peer")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Listen {
        #[arg(long, default_value = "/ip4/127.0.0.1/tcp/0")]
        listen: Multiaddr,
        #[arg(long, value_enum, default_value_t = KeyType::Ed25519)]
        key: KeyType,
    },
    Pubsub {
        #[arg(long, default_value = "/ip4/127.0.0.1/tcp/0")]
        listen: Multiaddr,
        #[arg(long, value_enum, default_value_t = KeyType::Ed25519)]
        key: KeyType,
        /// A JSON object
        #[arg(long, default_value = "{}")]
        config: String,
    },
    Ping {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 5)]
        count: usize,
    },
    Identify {
        #[command(flatten)]
        target: Target,
    },
    Echo {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 10485760)]
        bytes: u64,
    },
    HalfClose {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 1000000)]
        bytes: u64,
    },
    Streams {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 50)]
        count: usize,
        #[arg(long, default_value_t = 65536)]
        bytes: u64,
    },
    ShortStreams {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 6000)]
        count: usize,
        #[arg(long, default_value_t = 29)]
        bytes: u64,
    },
    Perf {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 1073741824)]
        upload_bytes: u64,
        /// As many as are sent, unless given
        #[arg(long)]
        download_bytes: Option<u64>,
        #[arg(long, default_value_t = 1)]
        iterations: usize,
    },
    Latency {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 100)]
        count: usize,
    },
    Connect {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 50)]
        count: usize,
        #[arg(long, default_value_t = 1)]
        parallel: usize,
    },
    Idle {
        #[command(flatten)]
        target: Target,
        #[arg(long, default_value_t = 100)]
        count: usize,
    },
    WrongPeerId {
        #[command(flatten)]
        target: Target,
    },
    UnknownProtocol {
        #[command(flatten)]
        target: Target,
    },
}

// Whom a command talks to, and with what key. (A doc comment would show in --help.)
#[derive(Args)]
pub struct Target {
    #[arg(value_name = "MULTIADDR", value_parser = parse_target)]
    address: (Multiaddr, PeerId),
    #[arg(long, value_enum, default_value_t = KeyType::Ed25519)]
    key: KeyType,
}

/// Splits an address from the peer id at its end.
fn parse_target(text: &str) -> Result<(Multiaddr, PeerId), String> {
    let mut address: Multiaddr = text.parse().map_err(|e| format!("{e}"))?;
    match address.pop() {
        Some(Protocol::P2p(peer)) => Ok((address, peer)),
        _ => Err("the address does not end in /p2p/<peer id>".into()),
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Listen { listen, key } => listen::run(listen, key).await,
        Command::Pubsub { listen, key, config } => pubsub::run(listen, key, &config).await,
        Command::Ping { target, count } => probes::ping(target, count).await,
        Command::Identify { target } => probes::identify(target).await,
        Command::Echo { target, bytes } => exchanges::echo(target, bytes).await,
        Command::HalfClose { target, bytes } => exchanges::half_close(target, bytes).await,
        Command::Streams { target, count, bytes } => exchanges::streams(target, count, bytes).await,
        Command::ShortStreams { target, count, bytes } => exchanges::short_streams(target, count, bytes).await,
        Command::Perf {
            target,
            upload_bytes,
            download_bytes,
            iterations,
        } => perf::perf(target, upload_bytes, download_bytes.unwrap_or(upload_bytes), iterations).await,
        Command::Latency { target, count } => perf::latency(target, count).await,
        Command::Connect {
            target,
            count,
            parallel,
        } => connect::connect(target, count, parallel).await,
        Command::Idle { target, count } => connect::idle(target, count).await,
        Command::WrongPeerId { target } => probes::wrong_peer_id(target).await,
        Command::UnknownProtocol { target } => probes::unknown_protocol(target).await,
    }
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let result = run(arguments.command).await;
    if let Err(e) = &result {
        eprintln!("{e:#}");
    }
    // Returning from main would wait for the thread that reads stdin.
    exit(if result.is_ok() { 0 } else { 1 })
}
