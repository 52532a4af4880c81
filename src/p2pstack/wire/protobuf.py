"""Parsing protobuf messages that a peer sent."""

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from p2pstack.errors import RemoteProtocolError

__all__ = ["parse"]

MessageT = TypeVar("MessageT", bound=Message)


def parse(cls: type[MessageT], data: bytes, *, what: str, peer: object | None = None) -> MessageT:
    """The message in `data`.

    :param cls: a class of `p2pstack.wire.pb`
    :param what: names the message in the error
    :param peer: who sent it, for the error
    :raises RemoteProtocolError: no such message, or text in it is not UTF-8
    """
    try:
        return cls.FromString(data)
    except DecodeError as error:
        sender = f" from {peer}" if peer is not None else ""
        raise RemoteProtocolError(
            f"{what}{sender}: expected a protobuf message, got {len(data)} other bytes"
        ) from error
