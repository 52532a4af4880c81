"""A peer-to-peer networking stack that speaks the libp2p wire protocols."""
