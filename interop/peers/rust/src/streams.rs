//! A behaviour for protocols that are no more than a function on a stream.
//!
//! libp2p-stream would do, but it hands inbound streams over through a channel with room for one, and drops those that
//! arrive together: of 50 streams opened at once some would be lost.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use anyhow::anyhow;
use futures::{
    StreamExt as _,
    channel::{mpsc, oneshot},
};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{
        Endpoint,
        transport::PortUse,
        upgrade::{InboundUpgrade, ReadyUpgrade, UpgradeInfo},
    },
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
        StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};

/// A protocol and what answers it.
pub struct Service {
    pub protocol: StreamProtocol,
    pub answer: fn(Stream) -> Answer,
}

pub type Answer = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Opens streams on one connection.
#[derive(Clone, Debug)]
pub struct Opener(mpsc::UnboundedSender<Request>);

pub struct Request {
    protocol: StreamProtocol,
    reply: Reply,
}

type Reply = oneshot::Sender<Result<Stream, StreamUpgradeError<Infallible>>>;

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a stream for {}", self.protocol)
    }
}

impl Opener {
    pub async fn open(&self, protocol: StreamProtocol) -> anyhow::Result<Stream> {
        let (reply, replied) = oneshot::channel();
        let closed = || anyhow!("the connection was closed");
        self.0
            .unbounded_send(Request { protocol, reply })
            .map_err(|_| closed())?;
        Ok(replied.await.map_err(|_| closed())??)
    }
}

/// Answers the given protocols, and yields an [`Opener`] for every new connection.
pub struct Behaviour {
    services: &'static [Service],
    new_openers: VecDeque<Opener>,
}

impl Behaviour {
    pub fn new(services: &'static [Service]) -> Self {
        Behaviour {
            services,
            new_openers: VecDeque::new(),
        }
    }

    fn new_handler(&mut self) -> Handler {
        let (opener, requests) = mpsc::unbounded();
        self.new_openers.push_back(Opener(opener));
        Handler {
            services: self.services,
            requests,
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Opener;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.new_handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.new_handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Opener, THandlerInEvent<Self>>> {
        match self.new_openers.pop_front() {
            Some(opener) => Poll::Ready(ToSwarm::GenerateEvent(opener)),
            None => Poll::Pending,
        }
    }
}

pub struct Handler {
    services: &'static [Service],
    requests: mpsc::UnboundedReceiver<Request>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Offer;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(Offer(self.services), ())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Reply, Infallible>> {
        match self.requests.poll_next_unpin(cx) {
            Poll::Ready(Some(Request { protocol, reply })) => {
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                    protocol: SubstreamProtocol::new(ReadyUpgrade::new(protocol), reply),
                })
            }
            _ => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol, (), Reply>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (protocol, answer),
                ..
            }) => {
                tokio::spawn(async move {
                    if let Err(e) = answer.await {
                        eprintln!("{protocol}: {e:#}");
                    }
                });
            }
            // Whoever asked may have given up: then the stream is dropped, which resets it.
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: reply,
            }) => {
                let _ = reply.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, info: reply }) => {
                let _ = reply.send(Err(error));
            }
            _ => {}
        }
    }
}

/// The protocols that are offered to the other side; choosing one begins its answer.
pub struct Offer(&'static [Service]);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = Vec<StreamProtocol>;

    fn protocol_info(&self) -> Vec<StreamProtocol> {
        self.0.iter().map(|service| service.protocol.clone()).collect()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (StreamProtocol, Answer);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, chosen: StreamProtocol) -> Self::Future {
        let service = self
            .0
            .iter()
            .find(|service| service.protocol == chosen)
            .expect("only offers can be chosen");
        ready(Ok((chosen, (service.answer)(stream))))
    }
}
