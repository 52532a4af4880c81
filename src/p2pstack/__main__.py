"""`python -m p2pstack` is the command `p2pstack`."""

from p2pstack.cli.__main__ import main

main()
