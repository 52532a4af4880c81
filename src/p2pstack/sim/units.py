"""Quantities as people write them."""

import re

from p2pstack.errors import LocalProtocolError

__all__ = ["parse_rate", "parse_seconds"]

_SECONDS = {"s": 1.0, "": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0, "h": 3_600.0}
_BYTES = {"B/s": 1.0, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9, "KiB/s": 1 << 10, "MiB/s": 1 << 20, "GiB/s": 1 << 30}
_BITS = {"bit/s": 0.125, "kbit/s": 125.0, "Mbit/s": 125e3, "Gbit/s": 125e6}


def parse_seconds(value: str | float) -> float:
    """Seconds, of `0.02` or `"20ms"`.

    :raises LocalProtocolError: not a time
    """
    return _parse(value, _SECONDS, 'a time such as "20ms"')


def parse_rate(value: str | float) -> float:
    """Bytes a second, of `1e6`, `"1MB/s"` or `"8Mbit/s"`.

    :raises LocalProtocolError: not a rate
    """
    return _parse(value, {"": 1.0, **_BYTES, **_BITS}, 'bytes a second such as 1e6, "1MB/s" or "8Mbit/s"')


def _parse(value: str | float, units: dict[str, float], what: str) -> float:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\s*(\S*)\s*", value)
        if match and match[2] in units:
            return float(match[1]) * units[match[2]]
    elif value >= 0:
        return float(value)
    raise LocalProtocolError(f"expected {what}, got {value!r}")
