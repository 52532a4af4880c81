"""`python -m p2pstack` is the command `p2pstack`."""

from p2pstack.cli.__main__ import main

if __name__ == "__main__":  # and nothing where a worker process only looks at what is here
    main()
