"""`p2pstack demo`: several hosts on this machine, each in a process of its own.

===============  ==============================================================================================
`member.py`      one host: serves its file, fetches those of others by peer id, tells of it in JSON lines
`chatter.py`     its messages: publishes some, counts what comes
`director.py`    starts the members, introduces them to each other, and waits for what they tell
`chat.py`        the second act: messages, while one member is killed and another joins
`process.py`     a member as these have it: a process that takes orders
`links.py`       what is known of who fetched from whom (pure)
`tally.py`       what is known of who published and received how many messages (pure)
`view.py`        the live table, or lines where nobody watches
===============  ==============================================================================================
"""
