"""Communication: rooms, private messages, files and voice, without a server."""
