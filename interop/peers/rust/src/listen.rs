//! The listening side.

use anyhow::Result;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, FutureExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, Stream, StreamProtocol, Swarm,
    swarm::{NetworkBehaviour, SwarmEvent},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    host::{KeyType, Setup, drive, new_swarm, with_peer},
    perf,
    streams::Service,
};

pub const ECHO: StreamProtocol = StreamProtocol::new("/echo/1.0.0");
pub const HASH: StreamProtocol = StreamProtocol::new("/hash/1.0.0");

/// How much is read or written at once.
pub const CHUNK: usize = 64 << 10;

static SERVICES: [Service; 3] = [
    Service {
        protocol: ECHO,
        answer: |stream| Box::pin(answer_echo(stream)),
    },
    Service {
        protocol: HASH,
        answer: |stream| Box::pin(answer_hash(stream)),
    },
    Service {
        protocol: perf::PERF,
        answer: |stream| Box::pin(perf::answer(stream)),
    },
];

pub async fn run(address: Multiaddr, key: KeyType) -> Result<()> {
    // A thousand connections are more files than many systems allow a program at first.
    rlimit::increase_nofile_limit(u64::MAX)?;

    let mut swarm = new_swarm(
        key,
        Setup {
            services: &SERVICES,
            ..Setup::default()
        },
    )?;
    start_listening(&mut swarm, address).await?;

    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = drive(swarm) => {}
        _ = terminated.recv() => {}
        _ = stdin_ended() => {}
    }
    Ok(())
}

/// Listens, and prints where.
pub async fn start_listening<B: NetworkBehaviour>(swarm: &mut Swarm<B>, address: Multiaddr) -> Result<()> {
    swarm.listen_on(address)?;
    let mut addresses = Vec::new();
    // An address that stands for several becomes several events, all there at once.
    while let Some(event) = if addresses.is_empty() {
        Some(swarm.select_next_some().await)
    } else {
        swarm.next().now_or_never().flatten()
    } {
        if let SwarmEvent::NewListenAddr { address, .. } = event {
            addresses.push(with_peer(address, swarm.local_peer_id()));
        }
    }
    let peer = swarm.local_peer_id().to_string();
    println!("{}", json!({"event": "listening", "peer_id": peer, "addrs": addresses}));
    Ok(())
}

pub async fn stdin_ended() {
    // An error ends stdin just as well.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
}

async fn answer_echo(mut stream: Stream) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = stream.read(&mut chunk).await?;
        if n == 0 {
            return Ok(stream.close().await?);
        }
        stream.write_all(&chunk[..n]).await?;
        stream.flush().await?;
    }
}

async fn answer_hash(mut stream: Stream) -> Result<()> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = stream.read(&mut chunk).await?;
        if n == 0 {
            break;
        }
        hash.update(&chunk[..n]);
    }
    stream.write_all(&hash.finalize()).await?;
    Ok(stream.close().await?)
}
