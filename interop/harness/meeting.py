"""Where dialer and listener find each other: the listener leaves its address at a Redis server.

The transport tests keep it in a list, from which the dialer takes it as soon as it is there; the perf tests keep it in
a string, for which the dialer asks again and again. All here blocks.
"""

import time

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from settings import Settings, SettingsError

__all__ = ["leave_in_list", "leave_in_string", "take_from_list", "wait_for_string"]

_POLL_INTERVAL = 0.5


def leave_in_list(settings: Settings, address: str) -> None:
    """What a test before this one left there is thrown away."""
    with _connection(settings) as server:
        server.delete(settings.redis_key)
        server.rpush(settings.redis_key, address)


def take_from_list(settings: Settings) -> str:
    with _connection(settings) as server:
        found = server.blpop([settings.redis_key], timeout=int(settings.timeout))
    if found is None:
        raise _nobody_there(settings)
    return str(found[1])


def leave_in_string(settings: Settings, address: str) -> None:
    with _connection(settings) as server:
        server.set(settings.redis_key, address)


def wait_for_string(settings: Settings) -> str:
    deadline = time.monotonic() + settings.timeout
    with _connection(settings) as server:
        while time.monotonic() < deadline:
            address = server.get(settings.redis_key)
            if address is not None:
                return str(address)
            time.sleep(_POLL_INTERVAL)
    raise _nobody_there(settings)


def _connection(settings: Settings) -> redis.Redis:
    # The server may start later than this container.
    retry = Retry(ConstantBackoff(0.2), retries=int(settings.timeout / 0.2), supported_errors=(redis.ConnectionError,))
    return redis.Redis(
        settings.redis_host,
        settings.redis_port,
        decode_responses=True,
        retry=retry,
        # The proxy that the harness puts before Redis for the older form understands no newer one.
        protocol=2,
        # Waiting for an entry of a list may take as long as the whole test.
        socket_timeout=settings.timeout + 5,
    )


def _nobody_there(settings: Settings) -> SettingsError:
    return SettingsError(f"no listener left its address under {settings.redis_key} within {settings.timeout:g} s")
