"""Which protocol to speak: multistream-select 1.0.0.

=================  =============================================================================================
`messages.py`      text behind its length, and the constants
`dialer.py`        the side that proposes, without I/O
`listener.py`      the side that accepts, without I/O
`optimistic.py`    a proposal sent along with what is to follow it, without I/O
`select.py`        the coroutines that drive these, and any other exchange, over a stream
=================  =============================================================================================
"""
