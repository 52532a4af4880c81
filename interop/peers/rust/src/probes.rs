//! The commands that look at one thing each.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::{
    PeerId, Stream, StreamProtocol, identify,
    identity::Keypair,
    ping,
    swarm::{DialError, StreamUpgradeError, SwarmEvent},
};
use serde_json::json;

use crate::{
    Target,
    host::{BehaviourEvent, Setup, check_open, connect, dial, new_swarm, patiently, patiently_next},
    perf::milliseconds,
    streams::Opener,
};

pub async fn ping(target: Target, count: usize) -> Result<()> {
    let ping = ping::Config::new().with_interval(Duration::ZERO);
    let mut swarm = new_swarm(
        target.key,
        Setup {
            ping,
            ..Setup::default()
        },
    )?;
    patiently(dial(&mut swarm, &target)).await.context("connecting")?;
    let mut done = 0;
    while done < count {
        match patiently_next(&mut swarm).await? {
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => {
                let rtt = event.result.map_err(|e| anyhow!("ping: {e}"))?;
                println!("{}", json!({"rtt_ms": milliseconds(rtt)}));
                done += 1;
            }
            event => check_open(&event)?,
        }
    }
    Ok(())
}

/// Pings when told to, which the library's ping cannot do.
pub struct Pinger(Stream);

impl Pinger {
    pub async fn new(opener: &Opener) -> Result<Pinger> {
        let protocol = StreamProtocol::new("/ipfs/ping/1.0.0");
        Ok(Pinger(patiently(opener.open(protocol)).await?))
    }

    pub async fn ping(&mut self) -> Result<Duration> {
        let sent: [u8; 32] = rand::random();
        let mut received = [0; 32];
        let start = Instant::now();
        patiently(async {
            self.0.write_all(&sent).await?;
            self.0.flush().await?;
            self.0.read_exact(&mut received).await
        })
        .await
        .context("ping")?;
        ensure!(received == sent, "ping: other bytes came back than were sent");
        Ok(start.elapsed())
    }
}

pub async fn identify(target: Target) -> Result<()> {
    let mut swarm = new_swarm(target.key, Setup::default())?;
    patiently(dial(&mut swarm, &target)).await.context("connecting")?;
    loop {
        match patiently_next(&mut swarm).await? {
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received { info, .. })) => {
                print_identified(info);
                return Ok(());
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Error { error, .. })) => {
                bail!("identify: {error}")
            }
            event => check_open(&event)?,
        }
    }
}

fn print_identified(info: identify::Info) {
    let protocols: Vec<_> = info.protocols.iter().map(ToString::to_string).collect();
    let line = json!({
        "peer_id": info.public_key.to_peer_id().to_string(),
        "agent_version": info.agent_version,
        "protocol_version": info.protocol_version,
        "protocols": protocols,
        "listen_addrs": info.listen_addrs,
        "observed_addr": info.observed_addr,
        "key_type": info.public_key.key_type().to_string().to_lowercase(),
    });
    println!("{line}");
}

pub async fn wrong_peer_id(mut target: Target) -> Result<()> {
    target.address.1 = PeerId::from(Keypair::generate_ed25519().public());
    let mut swarm = new_swarm(target.key, Setup::default())?;
    let dialled = patiently(async { Ok::<_, Infallible>(dial(&mut swarm, &target).await) }).await?;
    match dialled {
        Ok(()) => bail!("a connection to the wrong peer was accepted"),
        Err(error @ DialError::WrongPeerId { .. }) => {
            println!("{}", json!({"refused": true, "error": error.to_string()}));
            Ok(())
        }
        Err(error) => Err(error).context("failed for another reason than the peer id"),
    }
}

pub async fn unknown_protocol(target: Target) -> Result<()> {
    let opener = connect(&target).await?;
    let Err(error) = patiently(opener.open(StreamProtocol::new("/does-not-exist/1.0.0"))).await else {
        bail!("a protocol that does not exist was accepted");
    };
    let Some(StreamUpgradeError::NegotiationFailed) = error.downcast_ref::<StreamUpgradeError<Infallible>>() else {
        return Err(error.context("failed for another reason than the protocol"));
    };
    let rtt = Pinger::new(&opener).await?.ping().await?;
    println!("{}", json!({"refused": true, "ping_ms": milliseconds(rtt)}));
    Ok(())
}
