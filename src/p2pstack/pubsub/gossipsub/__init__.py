"""Gossipsub 1.0 to 1.3: a mesh for each topic, gossip beside it, and scores that keep both honest.

====================  ==============================================================================================
`router`              who is asked what: the conductor
`config`              every figure
`features`            what each version of the protocol can do
`shared`              what the parts have in common
`peers`               who is connected, and in which topics
`outgoing`, `draft`   what one call of the router says to each peer, in one RPC
`relay`               what becomes of messages
`mesh`                who is in which mesh; joining and leaving
`grafting`            what becomes of a GRAFT or a PRUNE that comes
`heartbeat`           what is done every second
`maintenance`         the heartbeat's care for a mesh
`backoff`             whom not to graft for a time
`exchange`            peers named to those who are pruned
`fanout`              peers for topics that we publish to and are not in
`message_cache`       messages that peers may still ask for
`gossip`              IHAVE and IWANT
`promises`            what peers announced, were asked for, and owe
`idontwant`           messages that peers do not want
`quotas`              how much of all this a peer may do
`extensions`          the first RPC of 1.3
`parts`, `partial`    messages in parts: what an application gives for them, and what is done with it
`choice`              chance
`scorer`              what is asked of the score
`score/`              what each peer is worth
====================  ==============================================================================================

Source: libp2p specs, pubsub/gossipsub.
"""
