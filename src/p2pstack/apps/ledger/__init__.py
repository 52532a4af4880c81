"""A ledger: signed transfers in blocks with proof of work."""
