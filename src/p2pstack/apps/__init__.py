"""Applications: content delivery, communication, a ledger, shared documents. Tools to use, and examples to read.

Each is a folder with a pure core, a service that plugs into a `Host`, and a thin command; it sees of the stack what any
program sees. They know nothing of each other; what they share (where files are kept) stands beside them.
"""
