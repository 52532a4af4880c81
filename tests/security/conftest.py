"""Identities and pipes for the secure channels."""

import pytest

from p2pstack.identity.keys import PrivateKey


@pytest.fixture(scope="session")
def alice() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(scope="session")
def bob() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(scope="session")
def mallory() -> PrivateKey:
    return PrivateKey.generate()
