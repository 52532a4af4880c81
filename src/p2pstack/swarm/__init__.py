"""The swarm: all connections of a host. How they are dialled, accepted, upgraded, counted, gated, and closed.

=====================  ==========================================================================================
`config.py`            `SwarmConfig`: the deadlines and limits
`addresses.py`         what an address is (pure): its reach, its peer, its place in the order of attempts
`resolver.py`          names in addresses to numbers
`upgrader.py`          raw stream in, secure and multiplexed connection out
`dialer.py`            addresses in, one connection out: happy eyeballs
`dials.py`             one dial shared by all who ask for the same peer
`listeners.py`         accept loops; `pending.py`: what has arrived and is not upgraded yet
`table.py`             the connections there are, by peer, and how many there may be
`connection.py`        one connection: its streams and their handlers
`inbound.py`           inbound streams of all connections: how many, and whose turn it is
`overdue.py`           the deadline of many short waits, by one task
`stream.py`            one stream, as handlers get it
`optimistic.py`        a stream that proposes its protocol with the first bytes it sends
`handlers.py`          which protocol is served by whom
`events.py`            the event bus
`swarm.py`             `Swarm`: all of it together
=====================  ==========================================================================================
"""
