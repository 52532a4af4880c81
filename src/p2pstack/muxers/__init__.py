"""Stream multiplexers: a folder each, blind to each other."""
