"""The app for the harness's transport tests: does a connection come about, and how long does the first ping take?

What it is to do stands in the environment (settings.py). The dialer's result is the only thing on stdout.
"""

import json
import sys
from argparse import ArgumentParser, Namespace
from time import perf_counter

from anyio import to_thread
from meeting import leave_in_list, take_from_list
from roles import make_host, run, serve
from settings import Settings

from p2pstack import Multiaddr, ping


async def transport(settings: Settings, _: Namespace) -> None:
    host = make_host(settings)
    if not settings.is_dialer:
        await serve(host, settings, leave_in_list)
        return
    address = Multiaddr(await to_thread.run_sync(take_from_list, settings))
    async with host:
        start = perf_counter()
        connection = await host.connect(address)
        async with ping(host, connection) as rtts:
            rtt = await anext(rtts)
            total = perf_counter() - start
    print(report(total * 1000, rtt * 1000, legacy=settings.legacy))


def report(total: float, rtt: float, *, legacy: bool) -> str:
    """Two times in milliseconds in the form that the harness reads."""
    if legacy:
        # The third l is part of the name.
        return json.dumps({"handshakePlusOneRTTMillis": round(total, 3), "pingRTTMilllis": round(rtt, 3)})
    return f"latency:\n  handshake_plus_one_rtt: {total:.3f}\n  ping_rtt: {rtt:.3f}\n  unit: ms"


if __name__ == "__main__":
    sys.exit(run(transport, ArgumentParser(description=__doc__)))
