"""How connections are made and accepted: a folder a transport, blind to each other."""
