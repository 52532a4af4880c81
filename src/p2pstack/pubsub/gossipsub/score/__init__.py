"""What peers are worth to us: the peer score of gossipsub 1.1. Source: libp2p specs, pubsub/gossipsub 1.1, "Peer
Scoring"."""
