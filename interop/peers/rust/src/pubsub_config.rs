//! What --config says about publish/subscribe.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use libp2p::{PeerId, identity::Keypair};
use libp2p_gossipsub::{
    Behaviour, Config, ConfigBuilder, MessageAuthenticity, MessageId, MetricsConfig, PeerScoreParams,
    PeerScoreThresholds, TopicScoreParams, ValidationMode, Version,
};
use prometheus_client::registry::Registry;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub struct Settings(Value);

impl Settings {
    pub fn parse(text: &str) -> Result<Settings> {
        Ok(Settings(serde_json::from_str(text).context("--config")?))
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0[name].as_bool().unwrap_or(false)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    /// The key that a seed stands for, where one is given.
    pub fn key(&self) -> Result<Option<Keypair>> {
        let Some(seed) = self.number("seed") else {
            return Ok(None);
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Ok(Some(Keypair::ed25519_from_bytes(bytes)?))
    }

    pub fn validation(&self) -> Option<Duration> {
        self.number("validation_ms").map(Duration::from_millis)
    }

    pub fn behaviour(&self, key: &Keypair, registry: &mut Registry) -> Result<Behaviour> {
        let strict = match self.text("policy") {
            None | Some("strict-sign") => true,
            Some("strict-no-sign") => false,
            Some(other) => bail!("unknown policy {other:?}"),
        };
        let authenticity = if strict {
            MessageAuthenticity::Signed(key.clone())
        } else {
            MessageAuthenticity::Anonymous
        };
        let behaviour = Behaviour::new(authenticity, self.config(strict)?).map_err(anyhow::Error::msg)?;
        let mut behaviour = behaviour.with_metrics(registry, MetricsConfig::default());
        if self.flag("scoring") {
            let (params, thresholds) = scoring();
            behaviour
                .with_peer_score(params, thresholds)
                .map_err(anyhow::Error::msg)?;
        }
        Ok(behaviour)
    }

    fn config(&self, strict: bool) -> Result<Config> {
        let mut builder = ConfigBuilder::default();
        builder.validation_mode(if strict {
            ValidationMode::Strict
        } else {
            ValidationMode::Anonymous
        });
        self.message_id(&mut builder)?;
        self.protocols(&mut builder)?;
        self.mesh(&mut builder);

        // The first heartbeat of the library comes after 5 s.
        let heartbeat = Duration::from_millis(self.number("heartbeat_ms").unwrap_or(1000));
        builder
            .heartbeat_interval(heartbeat)
            .heartbeat_initial_delay(heartbeat.min(Duration::from_millis(100)));
        builder.flood_publish(self.flag("flood_publish"));
        if let Some(seconds) = self.number("prune_backoff_s") {
            builder.prune_backoff(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.number("unsubscribe_backoff_s") {
            builder.unsubscribe_backoff(Duration::from_secs(seconds));
        }
        if let Some(bytes) = self.number("idontwant_bytes") {
            builder.idontwant_message_size_threshold(bytes as usize);
        }
        if let Some(bytes) = self.number("max_message_bytes") {
            builder.max_transmit_size(bytes as usize);
        }
        if let Some(messages) = self.number("queue") {
            builder
                .connection_handler_queue_len(messages as usize)
                .publish_queue_duration(Duration::from_secs(60))
                .forward_queue_duration(Duration::from_secs(60));
        }
        if self.flag("floodsub") {
            builder.support_floodsub();
        }
        if self.validation().is_some() {
            builder.validate_messages();
        }
        Ok(builder.build()?)
    }

    fn message_id(&self, builder: &mut ConfigBuilder) -> Result<()> {
        match self.text("message_id") {
            // That of the specification: the library's own is text made of both.
            None | Some("default") => builder.message_id_fn(|message| {
                let mut id = message.source.map(PeerId::to_bytes).unwrap_or_default();
                if let Some(sequence) = message.sequence_number {
                    id.extend(sequence.to_be_bytes());
                }
                MessageId::from(id)
            }),
            Some("sha256") => builder.message_id_fn(|message| MessageId::new(&Sha256::digest(&message.data))),
            Some("first8") => {
                builder.message_id_fn(|message| MessageId::new(&message.data[..message.data.len().min(8)]))
            }
            Some(other) => bail!("unknown message id {other:?}"),
        };
        Ok(())
    }

    /// The library does not let one choose freely among the versions.
    fn protocols(&self, builder: &mut ConfigBuilder) -> Result<()> {
        let Some(names) = self.0["protocols"].as_array() else {
            return Ok(());
        };
        let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        match names[..] {
            ["/meshsub/1.1.0", "/meshsub/1.0.0"] => builder.protocol_id_prefix("/meshsub"),
            ["/meshsub/1.1.0"] => builder.protocol_id("/meshsub/1.1.0", Version::V1_1),
            ["/meshsub/1.0.0"] => builder.protocol_id("/meshsub/1.0.0", Version::V1_0),
            _ => bail!("rust-libp2p cannot announce {names:?}"),
        };
        Ok(())
    }

    fn mesh(&self, builder: &mut ConfigBuilder) {
        if let Some(n) = self.number("d") {
            builder.mesh_n(n as usize);
        }
        if let Some(n) = self.number("d_lo") {
            builder.mesh_n_low(n as usize);
        }
        if let Some(n) = self.number("d_hi") {
            builder.mesh_n_high(n as usize);
        }
        if let Some(n) = self.number("d_out") {
            builder.mesh_outbound_min(n as usize);
        }
        if let Some(n) = self.number("d_score") {
            builder.retain_scores(n as usize);
        }
        if let Some(n) = self.number("d_lazy") {
            builder.gossip_lazy(n as usize);
        }
    }
}

/// A score that is kept and never harms anybody here.
fn scoring() -> (PeerScoreParams, PeerScoreThresholds) {
    let params = PeerScoreParams {
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: 0.9,
        retain_score: Duration::from_secs(60),
        slow_peer_weight: 0.0,
        ..PeerScoreParams::default()
    };
    let thresholds = PeerScoreThresholds {
        gossip_threshold: -100.0,
        publish_threshold: -1000.0,
        graylist_threshold: -10000.0,
        ..PeerScoreThresholds::default()
    };
    (params, thresholds)
}

pub fn topic_scoring() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 100.0,
        first_message_deliveries_weight: 1.0,
        first_message_deliveries_decay: 0.9,
        first_message_deliveries_cap: 100.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -1.0,
        invalid_message_deliveries_decay: 0.9,
        ..TopicScoreParams::default()
    }
}
