"""The interfaces between the layers, one concept a file.

====================  ==========================================================================================
`bytestream.py`       `PushbackStream`, `RawStream`: what bytes travel on, below security
`exchange.py`         `Exchange`: a conversation without I/O, such as a negotiation or a handshake
`security.py`         `SecureTransport`, `SecureChannel`
`muxer.py`            `StreamMuxer`, `MuxedConnection`, `MuxedStream`
`upgrader.py`         `Upgrader`: raw stream in, secure and multiplexed connection out
`transport.py`        `Transport`, `Listener`
`connection.py`       `Connection`, `Stream`: what the swarm makes of them and users see
`gater.py`            `ConnectionGater`: a veto at each stage of a connection's life
`events.py`           what a host tells about itself, as typed values, and `EventBus` to subscribe to them
`peerstore.py`        `Peerstore`: what is known of peers
`host.py`             `Host`: what services and protocols see of a host
`service.py`          `Service`: what plugs into a host
====================  ==========================================================================================

A layer imports its neighbours' interfaces from here and never their implementations.
"""
