//! The commands that make many connections, each from a fresh swarm.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use libp2p::{Swarm, swarm::SwarmEvent};
use serde_json::json;

use crate::{
    Target,
    host::{Behaviour, Setup, dial, drive, new_swarm, patiently, patiently_next},
    listen::stdin_ended,
    perf::{median, milliseconds},
};

fn new_swarms(target: &Target, count: usize) -> Result<Vec<Swarm<Behaviour>>> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    (0..count).map(|_| new_swarm(target.key, Setup::default())).collect()
}

/// Connects, says how long that took, and closes the connection.
async fn connect_once(mut swarm: Swarm<Behaviour>, target: Arc<Target>) -> Result<Duration> {
    let start = Instant::now();
    patiently(dial(&mut swarm, &target)).await.context("connecting")?;
    let took = start.elapsed();

    let (_, peer) = target.address;
    let _ = swarm.disconnect_peer_id(peer); // fails only if the other side was faster
    while swarm.is_connected(&peer) {
        if let SwarmEvent::ConnectionClosed { .. } = patiently_next(&mut swarm).await? {
            break;
        }
    }
    Ok(took)
}

pub async fn connect(target: Target, count: usize, parallel: usize) -> Result<()> {
    let swarms = new_swarms(&target, count)?;
    let target = Arc::new(target);
    let start = Instant::now();
    let times: Vec<_> = stream::iter(swarms)
        .map(|swarm| tokio::spawn(connect_once(swarm, target.clone())))
        .buffer_unordered(parallel)
        .map(|joined| joined?)
        .try_collect()
        .await?;
    let per_second = count as f64 / start.elapsed().as_secs_f64();
    println!(
        "{}",
        json!({"connect_ms": milliseconds(median(times)), "per_second": per_second})
    );
    Ok(())
}

pub async fn idle(target: Target, count: usize) -> Result<()> {
    for (i, mut swarm) in new_swarms(&target, count)?.into_iter().enumerate() {
        patiently(dial(&mut swarm, &target))
            .await
            .with_context(|| format!("connection {i}"))?;
        tokio::spawn(drive(swarm));
    }
    println!("{}", json!({"count": count}));
    stdin_ended().await;
    Ok(())
}
