"""A wallet: a key in a file, and questions to a node.

The node never sees the key: it may hide what happened, or make something up, but it cannot spend.
"""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import TypeVar

from anyio import EndOfStream, fail_after, sleep
from msgspec import Struct, msgpack

from p2pstack import AbstractHost, Messages, NegotiationError, PrivateKey, RemoteProtocolError
from p2pstack.apps.ledger.faults import Refused
from p2pstack.apps.ledger.messages import (
    AccountState,
    Failure,
    GetAccount,
    GetHistory,
    GetTransfer,
    History,
    Submit,
    TransferState,
    WalletAnswer,
    decode,
    encode,
    protocol,
)
from p2pstack.apps.ledger.server import max_answer
from p2pstack.apps.ledger.transfer import Transfer
from p2pstack.apps.storage import identity

__all__ = ["NodeClient", "alone", "key_file", "wallet_key"]

#: seconds for one answer
_DEADLINE = 20.0
#: seconds between two looks at a transfer
_INTERVAL = 0.3
#: ... and at whether the wallet is free
_LOCK_INTERVAL = 0.02
_ANSWER = msgpack.Decoder(WalletAnswer)

A = TypeVar("A", bound=Struct)


def key_file(folder: Path) -> Path:
    """Where the key of the wallet in a folder is."""
    return folder / "wallet" / "identity.key"


def wallet_key(folder: Path) -> PrivateKey:
    """The key of the wallet in a folder; made at the first time.

    :raises LocalProtocolError: the file holds no key
    """
    return identity(key_file(folder).parent)


@asynccontextmanager
async def alone(folder: Path) -> AsyncGenerator[None]:
    """While no other program sends from the wallet in a folder, which is there: both would take the same number, and
    one transfer replace the other."""
    file = os.open(key_file(folder).with_name("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                flock(file, LOCK_EX | LOCK_NB)
                break
            except BlockingIOError:
                await sleep(_LOCK_INTERVAL)
        yield
    finally:
        os.close(file)


class NodeClient:
    """Asks a node.

    :param host: to ask from
    :param node: its address
    :param network: that it has to be of
    """

    def __init__(self, host: AbstractHost, node: str, network: str) -> None:
        self._host = host
        self._node = node
        self._network = network

    async def account(self, account: bytes) -> AccountState:
        """What an account has."""
        return await self._ask(GetAccount(account), AccountState)

    async def history(self, account: bytes, count: int) -> History:
        """What happened to an account last."""
        return await self._ask(GetHistory(account, count), History)

    async def send(self, key: PrivateKey, recipient: bytes, amount: int, *, fee: int) -> Transfer:
        """Sign a transfer, and hand it in.

        :raises Refused: the node does not take it
        """
        state = await self.account(key.public_key.raw)
        transfer = Transfer.signed(key, recipient, amount, fee=fee, number=state.next_number, network=self._network)
        await self._ask(Submit(transfer.to_bytes()), TransferState)
        return transfer

    async def wait(
        self, transfer: Transfer, confirmations: int, tell: Callable[[TransferState], None]
    ) -> TransferState:
        """Wait until a transfer is in a block that is the last of so many. There is no deadline but yours.

        :param tell: is told whenever that has changed
        :raises Refused: it cannot be in a block any more: another one with its number is
        """
        seen = None
        while True:
            state = await self._ask(GetTransfer(transfer.to_bytes()), TransferState)
            if state != seen:
                tell(state)
                seen = state
            if state.confirmations >= confirmations:
                return state
            if not state.confirmations and not state.waits:
                account = await self.account(transfer.sender)
                if account.number > transfer.number:
                    raise Refused("another transfer of this account has been mined in its place")
                await self._ask(Submit(transfer.to_bytes()), TransferState)  # it has been forgotten there
            await sleep(_INTERVAL)

    async def _ask(self, question: Struct, kind: type[A]) -> A:
        """One answer.

        :raises Refused: the node says no, and why
        :raises RemoteProtocolError: it answers something else
        """
        try:
            with fail_after(_DEADLINE):
                async with await self._host.open_stream(self._node, protocol(self._network, "wallet/1.0.0")) as stream:
                    messages = Messages(stream, limit=max_answer(0), what="answer")
                    await messages.send(encode(question))
                    answer = decode(await messages.receive(), _ANSWER)
        except NegotiationError:
            raise Refused(f"{self._node} is no node of the ledger {self._network!r}") from None
        except TimeoutError:
            raise Refused(f"{self._node} did not answer within {_DEADLINE:g} s") from None
        except EndOfStream:
            raise RemoteProtocolError(f"{self._node} ended the stream before it had answered") from None
        if isinstance(answer, Failure):
            raise Refused(answer.reason)
        if not isinstance(answer, kind):
            raise RemoteProtocolError(f"expected an answer of type {kind.__name__}, got {type(answer).__name__}")
        return answer
