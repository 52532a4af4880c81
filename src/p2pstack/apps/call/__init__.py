"""Communication: voice, from one to another."""
