//! Making swarms and connecting them.

use std::{fmt::Display, future::Future, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use futures::StreamExt as _;
use libp2p::{
    PeerId, Swarm, SwarmBuilder,
    core::upgrade::Version,
    identify,
    identity::Keypair,
    noise, ping,
    swarm::{DialError, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use rsa::pkcs8::EncodePrivateKey as _;

use crate::{
    Target,
    streams::{self, Opener, Service},
};

/// The longest that any single wait may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Awaits something that must not take longer than PATIENCE.
pub async fn patiently<T, E>(waiting: impl Future<Output = Result<T, E>>) -> Result<T>
where
    Result<T, E>: anyhow::Context<T, E>,
    E: Into<anyhow::Error>,
{
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .context("no progress for 30 s")?
        .map_err(Into::into)
}

#[derive(Clone, Copy, ValueEnum)]
pub enum KeyType {
    Ed25519,
    Secp256k1,
    Ecdsa,
    Rsa,
}

impl KeyType {
    pub fn generate(self) -> Result<Keypair> {
        Ok(match self {
            KeyType::Ed25519 => Keypair::generate_ed25519(),
            KeyType::Secp256k1 => Keypair::generate_secp256k1(),
            KeyType::Ecdsa => Keypair::generate_ecdsa(),
            KeyType::Rsa => {
                // libp2p can load RSA keys but not make them.
                let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048)?;
                let mut der = key.to_pkcs8_der()?.as_bytes().to_vec();
                Keypair::rsa_from_pkcs8(&mut der)?
            }
        })
    }
}

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub ping: ping::Behaviour,
    pub identify: identify::Behaviour,
    pub streams: streams::Behaviour,
}

/// How a swarm differs from one that only dials.
pub struct Setup {
    pub services: &'static [Service],
    pub ping: ping::Config,
    /// How streams are negotiated: V1 waits for the other side to agree to the protocol, V1Lazy sends data at once.
    pub negotiation: Version,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            services: &[],
            ping: ping::Config::default(),
            negotiation: Version::V1,
        }
    }
}

pub fn new_swarm(key: KeyType, setup: Setup) -> Result<Swarm<Behaviour>> {
    let swarm = SwarmBuilder::with_existing_identity(key.generate()?)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|keys| Behaviour {
            ping: ping::Behaviour::new(setup.ping),
            identify: identify::Behaviour::new(
                identify::Config::new("p2pstack-interop/1".into(), keys.public())
                    .with_agent_version("interop-rust/1".into()),
            ),
            streams: streams::Behaviour::new(setup.services),
        })?
        .with_swarm_config(|config| {
            config
                .with_substream_upgrade_protocol_override(setup.negotiation)
                // The tests keep connections open on which nothing happens, which would be closed after 10 s.
                .with_idle_connection_timeout(Duration::from_secs(24 * 60 * 60))
        })
        .with_connection_timeout(PATIENCE)
        .build();
    Ok(swarm)
}

/// Dials a peer and waits until the connection is established.
pub async fn dial(swarm: &mut Swarm<Behaviour>, target: &Target) -> Result<(), DialError> {
    let (address, peer) = target.address.clone();
    swarm.dial(DialOpts::peer_id(peer).addresses(vec![address]).build())?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { .. } => return Ok(()),
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error),
            _ => {}
        }
    }
}

/// Connects to a peer as nodes do unless configured otherwise, see [`connect_with`].
pub async fn connect(target: &Target) -> Result<Opener> {
    connect_with(target, Setup::default()).await
}

/// Connects to a peer and keeps the connection running in the background; gives what opens streams on it.
pub async fn connect_with(target: &Target, setup: Setup) -> Result<Opener> {
    let mut swarm = new_swarm(target.key, setup)?;
    patiently(dial(&mut swarm, target)).await.context("connecting")?;
    loop {
        match patiently_next(&mut swarm).await? {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(opener)) => {
                tokio::spawn(drive(swarm));
                return Ok(opener);
            }
            event => check_open(&event)?,
        }
    }
}

pub async fn patiently_next(swarm: &mut Swarm<Behaviour>) -> Result<SwarmEvent<BehaviourEvent>> {
    patiently(async { anyhow::Ok(swarm.select_next_some().await) }).await
}

/// Fails on the event that the connection was closed.
pub fn check_open(event: &SwarmEvent<BehaviourEvent>) -> Result<()> {
    if let SwarmEvent::ConnectionClosed { cause, .. } = event {
        bail!(
            "the connection was closed: {}",
            cause.as_ref().map_or("no error".into(), ToString::to_string)
        );
    }
    Ok(())
}

/// Runs a swarm until the program ends.
pub async fn drive(mut swarm: Swarm<Behaviour>) {
    loop {
        swarm.select_next_some().await;
    }
}

pub fn with_peer(address: impl Display, peer: &PeerId) -> String {
    format!("{address}/p2p/{peer}")
}
