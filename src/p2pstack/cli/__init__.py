"""The command `p2pstack`. Needs the extra `cli`.

=================  =================================================================================================
`__main__.py`      where it begins; wrong usage becomes one line and exit code 2
`app.py`           what can be typed: commands, arguments, options
`run.py`           a command's coroutine on an event loop; errors become one line, signals end it cleanly
`output.py`        tables and lines for a person, JSON lines for a program
`pipes.py`         standard input and output as anyio byte streams
`hosts.py`         the host that a command talks through
`options.py`       arguments and options that several commands have
`keys.py`          `key new`, `key show`, and key files
`node.py`          `node`
`pubsub.py`        `pubsub subscribe`, `pubsub publish`
`ping.py` ...      the commands that talk to a node, a file each
`sim.py`           `sim`: a scenario once; `sweep.py`: many times; `plot.py`: bars in a terminal
`demo/`            `demo`: several hosts, each in a process of its own
=================  =================================================================================================

Nothing here is imported by the library, and `app.py` imports a command's module when that command is run.
"""
