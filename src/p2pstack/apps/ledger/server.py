"""Answers the questions of nodes and wallets, one after the other, from what is on disk."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from anyio import move_on_after
from msgspec import Struct, msgpack

from p2pstack import Messages, P2PError, RemoteProtocolError, Stream
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.messages import (
    MAX_HEADERS,
    MAX_REQUEST,
    AccountState,
    Body,
    Failure,
    GetAccount,
    GetBodies,
    GetHeaders,
    GetHistory,
    GetTransfer,
    Headers,
    History,
    HistoryItem,
    NodeRequest,
    Submit,
    TransferState,
    WalletRequest,
    decode,
    encode,
)
from p2pstack.apps.ledger.transfer import TRANSFER_SIZE, Transfer

__all__ = ["answer_nodes", "answer_wallets", "max_answer"]

#: seconds for the next question to come, and for an answer to go out
_PATIENCE = 30.0
_NODE_REQUEST = msgpack.Decoder(NodeRequest)
_WALLET_REQUEST = msgpack.Decoder(WalletRequest)


def max_answer(max_transfers: int) -> int:
    """Bytes of the longest answer."""
    return max(max_transfers * TRANSFER_SIZE, MAX_HEADERS * 256) + 4_096


async def answer_nodes(ledger: Ledger, stream: Stream) -> None:
    """Serve headers and transfers of blocks."""
    async for request, messages in _requests(stream, _NODE_REQUEST, limit=max_answer(ledger.rules.max_transfers)):
        match request:
            case GetHeaders(locator=locator):
                await _send(messages, Headers(tuple(ledger.chain.after(locator, MAX_HEADERS))))
            case GetBodies(ids=ids):
                for block_id in ids:
                    await _send(messages, Body(ledger.store.body(block_id)))
            case _:
                raise AssertionError(request)


async def answer_wallets(ledger: Ledger, submit: Callable[[Transfer], Awaitable[None]], stream: Stream) -> None:
    """Serve what the owner of an account wants to know, and take transfers.

    :param submit: what is to happen to these
    """
    async for request, messages in _requests(stream, _WALLET_REQUEST, limit=max_answer(0)):
        try:
            answer = await _answer_wallet(ledger, submit, request)
        except P2PError as error:
            answer = Failure(str(error)[:1_000])
        await _send(messages, answer)


async def _answer_wallet(
    ledger: Ledger, submit: Callable[[Transfer], Awaitable[None]], request: WalletRequest
) -> Struct:
    match request:
        case GetAccount(account=key):
            balance, number = ledger.account(key)
            return AccountState(balance, number, number + len(ledger.pool.of(key)), ledger.height)
        case Submit(transfer=data):
            transfer = Transfer.from_bytes(data)
            await submit(transfer)
            return TransferState(transfer.id, waits=True)
        case GetTransfer(transfer=data):
            transfer = Transfer.from_bytes(data)
            height = ledger.store.height_of(transfer.id)
            confirmations = 0 if height is None else ledger.height - height + 1
            return TransferState(transfer.id, height, confirmations, waits=transfer in ledger.pool.of(transfer.sender))
        case GetHistory(account=key, count=count):
            found = ledger.store.history(key, count)
            items = [
                HistoryItem(header.height, header.time, None if transfer is None else transfer.to_bytes())
                for header, transfer in found
            ]
            return History(ledger.height, tuple(items))


async def _requests(
    stream: Stream, decoder: msgpack.Decoder[Any], *, limit: int
) -> AsyncIterator[tuple[Any, Messages]]:
    incoming, outgoing = Messages(stream, limit=MAX_REQUEST, what="question"), Messages(stream, limit=limit)
    while True:
        data = None
        with move_on_after(_PATIENCE):
            data = await anext(incoming, None)
        if data is None:  # it has no more questions, or keeps us waiting
            return
        yield decode(data, decoder), outgoing


async def _send(messages: Messages, answer: Struct) -> None:
    with move_on_after(_PATIENCE) as waiting:
        await messages.send(encode(answer))
    if waiting.cancelled_caught:
        raise RemoteProtocolError(f"ledger: the peer did not read an answer for {_PATIENCE:g} s")
