"""A node: its identity, its connections, the protocols it speaks, the services that live in it.

===============  ==================================================================
`host.py`        `Host`
`targets.py`     whom a call is to reach: ids, addresses and texts (pure)
`defaults.py`    the parts a host is made of unless others are given
`groups.py`      one error out of the groups of errors that task groups make of it
===============  ==================================================================
"""

from p2pstack.host.host import Host

__all__ = ["Host"]
