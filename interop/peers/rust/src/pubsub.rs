//! A gossipsub node that does what stdin says.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use futures::{FutureExt as _, StreamExt as _};
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder, identify,
    multiaddr::Protocol,
    noise, ping,
    swarm::{DialError, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use libp2p_gossipsub::{
    Behaviour, Event, IdentTopic, Message, MessageAcceptance, MessageId, PublishError, TopicHash,
};
use prometheus_client::{encoding::text, registry::Registry};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    counter::{Counter, microseconds},
    exchanges::hex,
    host::{KeyType, PATIENCE},
    listen::start_listening,
    parts::Group,
    pubsub_config::{Settings, topic_scoring},
};

#[derive(NetworkBehaviour)]
struct Services {
    ping: ping::Behaviour,
    identify: identify::Behaviour,
    gossipsub: Behaviour,
}

type Pending = (MessageId, PeerId);

struct Node {
    swarm: Swarm<Services>,
    registry: Registry,
    settings: Settings,
    counters: HashMap<TopicHash, Counter>,
    groups: HashMap<(TopicHash, u64), Group>,
    validating: (mpsc::UnboundedSender<Pending>, mpsc::UnboundedReceiver<Pending>),
}

fn print(line: Value) {
    let mut out = std::io::stdout().lock();
    // Whoever reads may have gone, which ends stdin too.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

pub async fn run(address: Multiaddr, key: KeyType, config: &str) -> Result<()> {
    let settings = Settings::parse(config)?;
    let key = match settings.key()? {
        Some(key) => key,
        None => key.generate()?,
    };
    let mut registry = Registry::default();
    let gossipsub = settings.behaviour(&key, &mut registry)?;
    let mut swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
        .with_behaviour(|keys| Services {
            ping: ping::Behaviour::default(),
            identify: identify::Behaviour::new(
                identify::Config::new("p2pstack-interop/1".into(), keys.public())
                    .with_agent_version("interop-rust/1".into()),
            ),
            gossipsub,
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(24 * 60 * 60)))
        .with_connection_timeout(PATIENCE)
        .build();
    start_listening(&mut swarm, address).await?;
    let node = Node {
        swarm,
        registry,
        settings,
        counters: HashMap::new(),
        groups: HashMap::new(),
        validating: mpsc::unbounded_channel(),
    };
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = node.serve() => result,
        _ = terminated.recv() => Ok(()),
    }
}

impl Node {
    /// Does what stdin says until it ends.
    async fn serve(mut self) -> Result<()> {
        let mut lines = BufReader::with_capacity(1 << 20, stdin()).lines();
        loop {
            let line = tokio::select! {
                line = lines.next_line() => line?,
                () = self.step() => continue,
            };
            let Some(line) = line else { return Ok(()) };
            let request: Value = serde_json::from_str(&line)?;
            let mut answer = match self.execute(&request).await {
                Ok(answer) => answer,
                Err(e) => json!({"event": "failed", "error": format!("{e:#}")}),
            };
            if answer["event"].is_null() {
                answer["event"] = "done".into();
            }
            answer["do"] = request["do"].clone();
            print(answer);
        }
    }

    /// Waits for the next thing that happens, and handles it.
    async fn step(&mut self) {
        tokio::select! {
            event = self.swarm.select_next_some() => self.handle(event),
            Some((id, from)) = self.validating.1.recv() => {
                let accept = MessageAcceptance::Accept;
                self.gossipsub().report_message_validation_result(&id, &from, accept);
            }
        }
    }

    /// Handles what has happened already.
    fn catch_up(&mut self) {
        while let Some(event) = self.swarm.next().now_or_never().flatten() {
            self.handle(event);
        }
    }

    fn gossipsub(&mut self) -> &mut Behaviour {
        &mut self.swarm.behaviour_mut().gossipsub
    }

    async fn execute(&mut self, request: &Value) -> Result<Value> {
        let topic = IdentTopic::new(request["topic"].as_str().unwrap_or_default());
        match request["do"].as_str().unwrap_or_default() {
            "connect" => self.connect(request["address"].as_str().unwrap_or_default()).await?,
            "subscribe" => self.subscribe(&topic, request["partial"].as_str())?,
            "unsubscribe" => {
                self.gossipsub().unsubscribe(&topic);
            }
            "publish" => {
                let data = unhex(request["data"].as_str().unwrap_or_default())?;
                self.gossipsub().publish(topic, data)?;
            }
            "load" => return self.load(&topic, request).await,
            "count" => {
                self.counters.insert(topic.hash(), Counter::default());
            }
            "counted" => {
                let counter = self.counters.get(&topic.hash());
                let latencies = request["latencies"] == true;
                return Ok(counter.context("this topic is not counted")?.result(latencies));
            }
            "state" => return Ok(self.state(&topic.hash())),
            "traffic" => return self.traffic(),
            "add-parts" => {
                let number = request["group"].as_u64().context("group")?;
                let parts = request["parts"].as_u64().context("parts")? as u8;
                self.group(&topic.hash(), number).add(parts);
            }
            "publish-parts" => {
                let number = request["group"].as_u64().context("group")?;
                let to = request["to"].as_array().map(Vec::as_slice).unwrap_or_default();
                for peer in to.iter().filter_map(Value::as_str) {
                    let peer = peer.parse()?;
                    self.group(&topic.hash(), number).eager.insert(peer);
                }
                self.publish_group(&topic.hash(), number)?;
            }
            other => bail!("unknown command {other:?}"),
        }
        Ok(json!({}))
    }

    async fn connect(&mut self, address: &str) -> Result<()> {
        let mut address: Multiaddr = address.parse()?;
        let Some(Protocol::P2p(peer)) = address.pop() else {
            bail!("the address does not end in /p2p/<peer id>");
        };
        match self.swarm.dial(DialOpts::peer_id(peer).addresses(vec![address]).build()) {
            Ok(()) => {}
            Err(DialError::DialPeerConditionFalse(_)) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
        timeout(PATIENCE, async {
            while !self.swarm.is_connected(&peer) {
                let event = self.swarm.select_next_some().await;
                if let SwarmEvent::OutgoingConnectionError { error, .. } = &event {
                    bail!("{error}");
                }
                self.handle(event);
            }
            Ok(())
        })
        .await
        .context("no connection for 30 s")?
    }

    fn subscribe(&mut self, topic: &IdentTopic, partial: Option<&str>) -> Result<()> {
        if let Some(kind) = partial {
            self.gossipsub()
                .enable_partials_for_topic(topic.hash(), kind == "requests");
        }
        self.gossipsub().subscribe(topic)?;
        if self.settings.flag("scoring") {
            self.gossipsub()
                .set_topic_params(topic.clone(), topic_scoring())
                .map_err(|e| anyhow!(e))?;
        }
        Ok(())
    }

    /// Publishes many messages: each begins with its number and with when it was published.
    async fn load(&mut self, topic: &IdentTopic, request: &Value) -> Result<Value> {
        let count = request["count"].as_u64().context("count")?;
        let bytes = request["bytes"].as_u64().unwrap_or(0).max(16) as usize;
        let first = request["first"].as_u64().unwrap_or(0);
        let per_second = request["per_second"].as_f64().filter(|rate| *rate > 0.0);
        let start = Instant::now();
        for i in 0..count {
            if let Some(rate) = per_second {
                let due = start + Duration::from_secs_f64(i as f64 / rate);
                while Instant::now() < due {
                    tokio::select! {
                        () = self.step() => {}
                        () = sleep_until(due.into()) => {}
                    }
                }
            }
            let mut data = vec![0; bytes];
            data[..8].copy_from_slice(&(first + i).to_be_bytes());
            data[8..16].copy_from_slice(&microseconds().to_be_bytes());
            loop {
                match self.gossipsub().publish(topic.hash(), data.clone()) {
                    Ok(_) => break,
                    Err(PublishError::AllQueuesFull(_)) => {
                        self.catch_up();
                        sleep(Duration::from_millis(1)).await;
                    }
                    Err(e) => return Err(e.into()),
                }
            }
            self.catch_up();
        }
        Ok(json!({"count": count, "seconds": start.elapsed().as_secs_f64()}))
    }

    fn state(&self, topic: &TopicHash) -> Value {
        let gossipsub = &self.swarm.behaviour().gossipsub;
        let peers: Vec<_> = gossipsub
            .all_peers()
            .filter(|(_, topics)| topics.contains(&topic))
            .map(|(peer, _)| peer.to_string())
            .collect();
        let mesh: Vec<_> = gossipsub.mesh_peers(topic).map(PeerId::to_string).collect();
        json!({"peers": peers, "mesh": mesh})
    }

    /// What the library's metrics tell of what was said; null is what they do not tell.
    fn traffic(&mut self) -> Result<Value> {
        let mut metrics = String::new();
        text::encode(&mut metrics, &self.registry)?;
        let sum = |name: &str| -> u64 {
            let lines = metrics.lines().filter(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            });
            lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
                .sum()
        };
        let (all, once) = (
            sum("topic_msg_recv_counts_unfiltered_total"),
            sum("topic_msg_recv_counts_total"),
        );
        let protocols: BTreeMap<_, _> = self
            .swarm
            .behaviour()
            .gossipsub
            .peer_protocol()
            .map(|(peer, kind)| (peer.to_string(), version(kind.as_static_ref())))
            .collect();
        Ok(json!({
            "sent": {
                "messages": sum("topic_msg_sent_counts_total"), "iwant": sum("topic_iwant_msgs_total"),
                "ihave": null, "idontwant": null, "graft": null, "prune": null, "partial": null,
            },
            "received": {
                "messages": all, "idontwant": sum("idontwant_msgs_ids_total"),
                "ihave": null, "iwant": null, "graft": null, "prune": null, "partial": null,
            },
            "duplicates": all - once,
            "protocols": protocols,
        }))
    }

    fn handle(&mut self, event: SwarmEvent<ServicesEvent>) {
        let SwarmEvent::Behaviour(ServicesEvent::Gossipsub(event)) = event else {
            return;
        };
        match event {
            Event::Message {
                propagation_source: from,
                message_id: id,
                message,
            } => self.receive(from, id, message),
            Event::Partial {
                topic_hash: topic,
                peer_id: from,
                group_id: id,
                message,
                ..
            } => {
                if let Err(e) = self.receive_parts(&topic, from, &id, message) {
                    eprintln!("parts of {topic}: {e:#}");
                }
            }
            _ => {}
        }
    }

    fn receive(&mut self, from: PeerId, id: MessageId, message: Message) {
        if let Some(delay) = self.settings.validation() {
            let (done, pending) = (self.validating.0.clone(), (id.clone(), from));
            tokio::spawn(async move {
                sleep(delay).await;
                let _ = done.send(pending); // fails only at the end of the program
            });
        }
        if let Some(counter) = self.counters.get_mut(&message.topic) {
            counter.add(&message.data);
            return;
        }
        print(json!({
            "event": "message",
            "topic": message.topic.as_str(),
            "id": hex(&id.0),
            "from": from.to_string(),
            "source": message.source.map(|source| source.to_string()),
            "sequence": message.sequence_number.map(|sequence| hex(&sequence.to_be_bytes())),
            "bytes": message.data.len(),
            "sha256": hex(&Sha256::digest(&message.data)),
        }));
    }

    fn group(&mut self, topic: &TopicHash, number: u64) -> &mut Group {
        let key = (topic.clone(), number);
        self.groups.entry(key).or_insert_with(|| Group::new(number))
    }

    fn receive_parts(&mut self, topic: &TopicHash, from: PeerId, id: &[u8], message: Option<Vec<u8>>) -> Result<()> {
        let number = u64::from_be_bytes(id.try_into().context("a group's id")?);
        if let Some(message) = message {
            let group = self.group(topic, number);
            let before = group.have;
            let parts = group.take(&message)?;
            print(json!({
                "event": "parts", "topic": topic.as_str(), "group": number, "from": from.to_string(),
                "parts": parts, "new": group.have != before, "have": group.have,
            }));
        }
        self.publish_group(topic, number)
    }

    fn publish_group(&mut self, topic: &TopicHash, number: u64) -> Result<()> {
        let group = self.group(topic, number).clone();
        Ok(self.gossipsub().publish_partial(topic.clone(), group)?)
    }
}

/// The protocol that the library means by "Gossipsub v1.1" and the like.
fn version(kind: &str) -> String {
    match kind.strip_prefix("Gossipsub v") {
        Some(version) => format!("/meshsub/{version}.0"),
        None => format!("/{}/1.0.0", kind.to_lowercase()),
    }
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    (0..text.len() / 2)
        .map(|i| Ok(u8::from_str_radix(&text[2 * i..2 * i + 2], 16)?))
        .collect()
}
