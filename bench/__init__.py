"""Measures p2pstack and its peers in one run: `make bench`.

==================  =====================================================================================
`contenders.py`     the programs measured: go, rust and py-libp2p peers, and p2pstack on each event loop
`programs.py`       starts a listener, runs a client against it, reads their JSON lines
`measures.py`       what is measured: one function a figure
`gossip.py`        the same of publish/subscribe; `router.py` is a router by itself
`run.py`            rounds, interleaved, so that a noisy minute of the machine hits everybody
`targets.py`        the figures to reach, as ratios of medians within the run
`report.py`         the table, results/*.json, the table of the README
`chart.py`          the picture of the README
==================  =====================================================================================

All of them speak the contract of interop/peers/README.md. Every figure is a ratio within one run: two runs on a shared
machine differ by more than the contenders do.
"""
