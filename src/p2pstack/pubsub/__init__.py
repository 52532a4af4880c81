"""Publish and subscribe: floodsub and gossipsub. Source: libp2p specs, pubsub and pubsub/gossipsub."""
