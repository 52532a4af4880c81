"""What the harness says by environment variables: in the form of today, and in lower case as it was before."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Settings", "SettingsError"]


class SettingsError(Exception):
    """The environment asks for something that is not there, or does not say what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The part that one container has in a test."""

    is_dialer: bool
    #: the Redis server at which the two meet
    redis_host: str
    redis_port: int
    #: under which the listener leaves its address there
    redis_key: str
    transport: str
    #: None where the transport brings its own
    security: str | None
    muxer: str | None
    #: what the listener listens on; 0.0.0.0 unless given
    listener_ip: str
    #: seconds for the whole test; 180 unless given
    timeout: float
    #: whether log lines are wanted
    debug: bool
    #: whether the harness speaks the older form, in which the result is one line of JSON
    legacy: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read either form; the one that says who dials is the one in use.

        :raises SettingsError: a variable is missing or is not what it has to be
        """
        legacy = "IS_DIALER" not in environment and "is_dialer" in environment
        names = _LEGACY if legacy else _NAMES

        def required(name: str) -> str:
            value = environment.get(names[name], "")
            if not value:
                raise SettingsError(f"the environment variable {names[name]} is not set")
            return value

        def optional(name: str) -> str | None:
            return environment.get(names[name]) or None

        host, _, port = required("redis_addr").rpartition(":")
        if not host or not port.isdecimal():
            raise SettingsError(f"{names['redis_addr']}: expected host:port, got {required('redis_addr')!r}")
        timeout = optional("timeout") or "180"
        if not timeout.isdecimal():
            raise SettingsError(f"{names['timeout']}: expected seconds, got {timeout!r}")
        return cls(
            is_dialer=_flag(names["is_dialer"], required("is_dialer")),
            redis_host=host,
            redis_port=int(port),
            redis_key="listenerAddr" if legacy else f"{required('test_key')}_listener_multiaddr",
            transport=required("transport"),
            security=optional("security"),
            muxer=optional("muxer"),
            listener_ip=optional("listener_ip") or "0.0.0.0",
            timeout=float(timeout),
            debug=_flag(names["debug"], optional("debug") or "false"),
            legacy=legacy,
        )


def number(environment: Mapping[str, str], name: str, default: int) -> int:
    """A variable that holds a count or a number of bytes."""
    text = environment.get(name) or str(default)
    if not text.isdecimal():
        raise SettingsError(f"{name}: expected a number, got {text!r}")
    return int(text)


_NAMES = {
    "is_dialer": "IS_DIALER",
    "redis_addr": "REDIS_ADDR",
    "test_key": "TEST_KEY",
    "transport": "TRANSPORT",
    "security": "SECURE_CHANNEL",
    "muxer": "MUXER",
    "listener_ip": "LISTENER_IP",
    "timeout": "TEST_TIMEOUT_SECS",
    "debug": "DEBUG",
}

_LEGACY = {
    "is_dialer": "is_dialer",
    "redis_addr": "redis_addr",
    "transport": "transport",
    "security": "security",
    "muxer": "muxer",
    "listener_ip": "ip",
    "timeout": "test_timeout_seconds",
    "debug": "debug",
}


def _flag(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise SettingsError(f"{name}: expected true or false, got {text!r}")
    return text == "true"
