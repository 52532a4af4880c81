"""Protocols that nodes speak, a folder each, written against `p2pstack.abc` as anybody's would be."""
