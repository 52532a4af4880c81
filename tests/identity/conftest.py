"""One key of each type, from the specification's test vectors."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from p2pstack.identity.keys import KeyType, PrivateKey

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("vectors.json").read_text())


@dataclass(frozen=True)
class KeyVector:
    """A private key and its public key, as protobuf messages."""

    private: bytes
    public: bytes


@dataclass(frozen=True)
class SignatureVector:
    """A signature that go-libp2p made."""

    message: bytes
    public: bytes
    private: bytes
    signature: bytes


@pytest.fixture(params=list(KeyType), ids=lambda kind: kind.name.lower())
def key_type(request: pytest.FixtureRequest) -> KeyType:
    return request.param


@pytest.fixture
def key_vector(key_type: KeyType) -> KeyVector:
    return KeyVector(**{half: bytes.fromhex(text) for half, text in VECTORS["keys"][key_type.name.lower()].items()})


@pytest.fixture
def key(key_vector: KeyVector) -> PrivateKey:
    return _load(key_vector.private)


@cache
def _load(data: bytes) -> PrivateKey:
    return PrivateKey.from_protobuf(data)  # checks that the primes of an RSA key are prime: a third of a second


@pytest.fixture(params=sorted(VECTORS["signatures"]))
def signature_vector(request: pytest.FixtureRequest) -> SignatureVector:
    fields = {name: bytes.fromhex(text) for name, text in VECTORS["signatures"][request.param].items()}
    return SignatureVector(message=VECTORS["message"].encode(), **fields)


@pytest.fixture(scope="session")
def vectors_public() -> dict[KeyType, bytes]:
    return {kind: bytes.fromhex(VECTORS["keys"][kind.name.lower()]["public"]) for kind in KeyType}
