"""Bytes that are no message, and at which a decoder does not say what it usually says."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from p2pstack import RemoteProtocolError
from p2pstack.apps.call import messages as call
from p2pstack.apps.chat import messages as chat
from p2pstack.apps.ledger import messages as ledger
from p2pstack.apps.malformed import MALFORMED
from p2pstack.apps.share import messages as share
from p2pstack.apps.share.manifest import Manifest

DEEP = 100_000


class One(msgspec.Struct, tag="one"):
    """Something with a tag."""

    x: int = 0


class Two(msgspec.Struct, tag="two"):
    """Something else."""


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\xa4type\xa1\xff",
        b"\x82\xa4type\xa3one\xa1u" + b"\x91" * DEEP + b"\x00",
        b"\xc1",
        b"",
        b"\x81\xa4type\xa5three",
    ],
    ids=["a tag that is no text", "too deep", "no message pack", "nothing", "another tag"],
)
def test_what_is_no_message_is_malformed(data: bytes) -> None:
    with pytest.raises(MALFORMED):
        msgspec.msgpack.decode(data, type=One | Two)


@pytest.mark.parametrize("start", [b"\x92\xa1\xff", b"\x81\xa4type\xa1\xff", b"\x82\xa1u", b"\x92", b"\x9f", b""])
@pytest.mark.parametrize(
    "decode",
    [
        lambda data: chat.decode(data, *(kind for kind in vars(chat).values() if _is_message(kind))),
        call.decode,
        lambda data: ledger.decode(data, msgspec.msgpack.Decoder(ledger.Headers)),
        Manifest.parse,
    ],
    ids=["chat", "call", "ledger", "manifest"],
)
def test_the_peer_is_to_blame(decode: Callable[[bytes], Any], start: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(start + b"\x91" * DEEP + b"\x00")


@pytest.mark.parametrize("decode", [share.decode_wish, share.decode_reply])
def test_what_peers_of_a_share_say_is_a_message_or_malformed(decode: Callable[[bytes], Any]) -> None:
    for start in (b"\x92\xa1\xff", b"\x81\xa4type\xa1\xff", b"\x82\xa1u", b"\x92", b"\x9f"):
        with pytest.raises(MALFORMED):
            decode(start + b"\x91" * DEEP + b"\x00")


def _is_message(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__struct_config__.tag is not None
