"""`p2pstack demo`: several hosts on this machine, each in a process of its own.

===============  ==============================================================================================
`member.py`      one host: serves its file, fetches those of others by peer id, tells of it in JSON lines
`director.py`    starts the members, introduces them to each other, and waits for what they tell
`links.py`       what is known of who fetched from whom (pure)
`view.py`        the live table, or lines where nobody watches
===============  ==============================================================================================
"""
