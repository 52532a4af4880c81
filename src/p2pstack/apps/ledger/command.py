"""What can be typed: `p2pstack ledger node|wallet|send|balance|history`."""

from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from p2pstack.cli.options import ANYWHERE, Connect, Data, Json, ListenAnywhere, Loop, address, end
from p2pstack.cli.output import Output, complain, grid
from p2pstack.cli.run import Backend, Failed, guard, run

if TYPE_CHECKING:  # what is loaded when a command runs
    from p2pstack import AbstractHost, Neighbours
    from p2pstack.apps.ledger.ledger import Ledger
    from p2pstack.apps.ledger.messages import TransferState
    from p2pstack.apps.ledger.rules import Rules
    from p2pstack.apps.ledger.service import LedgerNode
    from p2pstack.apps.ledger.wallet import NodeClient

__all__ = ["commands"]

commands = Typer()
ledger = Typer(help="A ledger: signed transfers, in blocks with proof of work.", no_args_is_help=True)
commands.add_typer(ledger, name="ledger")

Network = Annotated[str, Option(metavar="NAME", help="Which ledger: nodes and wallets of another are none of ours.")]
Node = Annotated[
    str | None,
    Option("--connect", metavar="ADDR", parser=address, help="A node to ask. Default: the one that runs here"),
]
Account = Annotated[str | None, Argument(metavar="ADDRESS", help="Whose account. Default: the wallet's")]


@ledger.command()
def node(
    mine: Annotated[
        bool, Option("--mine", help="Search for blocks, on one core; the wallet gets what that earns.")
    ] = False,
    connect: Connect = None,
    listen: ListenAnywhere = None,
    network: Network = "main",
    difficulty: Annotated[
        int, Option(min=1, metavar="N", help="Hashes that the first blocks take; a rule of the network.")
    ] = 1 << 20,
    block_time: Annotated[
        float, Option(min=0.01, metavar="SECONDS", help="Between two blocks, on average; a rule of the network.")
    ] = 15.0,
    data: Data = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Take part in a ledger, until interrupted: keep its blocks, pass on what is valid, answer wallets."""
    from p2pstack.apps.ledger.rules import Rules

    def command() -> Awaitable[None]:
        rules = Rules(network=network, difficulty=difficulty, block_time=round(block_time * 1000))
        return _serve(Output(as_json=json), rules, data, listen=listen, connect=connect or [], mine=mine)

    end(run(command, backend=backend, serves=True))


@ledger.command()
def wallet(data: Data = None, json: Json = False) -> None:
    """Show the address of the wallet, which is made at the first time, and where its key is."""
    from p2pstack.apps.ledger.transfer import address_of
    from p2pstack.apps.ledger.wallet import key_file, wallet_key

    def command() -> None:
        output, folder = Output(as_json=json), _folder(data)
        shown = address_of(wallet_key(folder).public_key.raw)
        output.record(address=shown, key=str(key_file(folder)))
        output.facts(address=shown, key=str(key_file(folder)))

    end(guard(command))


@ledger.command()
def send(
    recipient: Annotated[str, Argument(metavar="ADDRESS", help="Who is to get it, as their wallet shows it.")],
    amount: Annotated[int, Argument(min=1, help="How much.")],
    fee: Annotated[int, Option(min=0, help="What the miner gets beside: more is mined sooner.")] = 1,
    confirmations: Annotated[
        int, Option(min=0, metavar="N", help="Wait until it is in a block that is the last of N. 0: do not wait")
    ] = 0,
    wait: Annotated[float, Option(min=0, metavar="SECONDS", help="How long to wait for that at most.")] = 600,
    connect: Node = None,
    network: Network = "main",
    data: Data = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Send AMOUNT from the wallet to ADDRESS."""
    output, folder = Output(as_json=json), _folder(data)

    def command() -> Awaitable[None]:
        return _send(
            output, folder, connect, network, recipient, amount, fee=fee, confirmations=confirmations, wait=wait
        )

    end(run(command, backend=backend))


@ledger.command()
def balance(
    account: Account = None,
    connect: Node = None,
    network: Network = "main",
    data: Data = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Show what an account has."""
    output, folder = Output(as_json=json), _folder(data)
    end(run(lambda: _balance(output, folder, connect, network, account), backend=backend))


@ledger.command()
def history(
    account: Account = None,
    count: Annotated[int, Option(min=1, max=500, metavar="N", help="How much of it, at most.")] = 20,
    connect: Node = None,
    network: Network = "main",
    data: Data = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Show what happened to an account, the newest first."""
    output, folder = Output(as_json=json), _folder(data)
    end(run(lambda: _history(output, folder, connect, network, account, count), backend=backend))


# --- what they do


#: seconds after which a node that has found nobody says so
_LONELY = 10.0


def _address_file(folder: Path, network: str) -> Path:
    """Where a node says where it listens."""
    return folder / f"{network}.address"


def _folder(data: Path | None) -> Path:
    from p2pstack.apps.storage import data_folder

    return data or data_folder("ledger")


async def _serve(
    output: Output, rules: "Rules", data: Path | None, *, listen: list[str] | None, connect: list[str], mine: bool
) -> None:
    import anyio

    from p2pstack import Host, Neighbours
    from p2pstack.apps.ledger.ledger import Ledger
    from p2pstack.apps.ledger.miner import by_work
    from p2pstack.apps.ledger.service import LedgerNode
    from p2pstack.apps.ledger.store import Store
    from p2pstack.apps.ledger.wallet import wallet_key
    from p2pstack.apps.storage import identity, replace_file

    folder = _folder(data)
    ledger = Ledger(rules, Store(rules, folder / f"{rules.network}.sqlite"))
    node = LedgerNode(ledger, miner=wallet_key(folder).public_key.raw if mine else None, seek=by_work)
    neighbours = Neighbours(connect, network=f"ledger-{node.name}")
    host = Host(key=identity(folder), listen=listen or ANYWHERE, services=[neighbours, node.pubsub, node])
    address_file = _address_file(folder, rules.network)
    written = False
    try:
        async with host:
            replace_file(address_file, str(host.addrs[0]).encode())
            written = True
            addrs = output.listening(host, height=ledger.height)
            output.facts(peer_id=str(host.peer_id), listening_on=addrs, ledger=str(folder), height=str(ledger.height))
            async with anyio.create_task_group() as tasks:
                if connect:
                    tasks.start_soon(_complain_when_lonely, host, neighbours)
                await _tell(output, node, ledger)
    finally:
        if written:
            address_file.unlink(missing_ok=True)
        ledger.store.close()


async def _complain_when_lonely(host: "AbstractHost", neighbours: "Neighbours") -> None:
    import anyio

    await anyio.sleep(_LONELY)
    if neighbours.connected:
        return
    if host.peers:
        complain("no peers found: those that answered are of no ledger, or of one with other rules")
    else:
        reasons = "; ".join(neighbours.failures.values())
        complain(f"no peers found, and going on to look for them: {reasons}")


async def _tell(output: Output, node: "LedgerNode", ledger: "Ledger") -> None:
    """A line for each new tip."""
    tip = ledger.tip
    while True:
        tip = await node.wait_for_change(tip)
        block, waiting = ledger.store.block(tip.id), len(ledger.pool)
        output.record(
            event="block",
            height=tip.header.height,
            id=tip.id.hex(),
            transfers=len(block.transfers),
            difficulty=tip.header.difficulty,
            waiting=waiting,
        )
        output.say(
            f"block {tip.header.height:>7}  {tip.id.hex()[:16]}  {len(block.transfers)} transfers, {waiting} wait, "
            f"difficulty {tip.header.difficulty:,}"
        )


def _ask(host: "AbstractHost", folder: Path, connect: str | None, network: str) -> "NodeClient":
    from p2pstack.apps.ledger.wallet import NodeClient

    if connect is None:
        try:
            connect = _address_file(folder, network).read_text()
        except FileNotFoundError:
            raise Failed(
                f"no node of the ledger {network!r} runs with {folder}: start one by `p2pstack ledger node`, or "
                "--connect to one"
            ) from None
    return NodeClient(host, connect, network)


async def _send(
    output: Output,
    folder: Path,
    connect: str | None,
    network: str,
    recipient: str,
    amount: int,
    *,
    fee: int,
    confirmations: int,
    wait: float,
) -> None:
    import anyio

    from p2pstack import Host
    from p2pstack.apps.ledger.transfer import account_of
    from p2pstack.apps.ledger.wallet import alone, wallet_key

    to, key = account_of(recipient), wallet_key(folder)

    def tell(state: "TransferState") -> None:
        output.record(event="state", id=state.id.hex(), height=state.height, confirmations=state.confirmations)
        if state.height is not None:
            output.say(f"in block {state.height}, {state.confirmations} of {confirmations} confirmations")

    async with Host() as host:
        node = _ask(host, folder, connect, network)
        async with alone(folder):
            transfer = await node.send(key, to, amount, fee=fee)
        output.record(event="sent", id=transfer.id.hex(), amount=amount, fee=fee, number=transfer.number)
        output.say(f"sent {amount} to {recipient}, and {fee} to the miner: {transfer.id.hex()}")
        if confirmations:
            with anyio.move_on_after(wait) as waiting:
                await node.wait(transfer, confirmations, tell)
            if waiting.cancelled_caught:
                raise Failed(f"it has been sent, and has no {confirmations} confirmations after {wait:g} s")


async def _balance(output: Output, folder: Path, connect: str | None, network: str, account: str | None) -> None:
    from p2pstack import Host
    from p2pstack.apps.ledger.transfer import account_of, address_of
    from p2pstack.apps.ledger.wallet import wallet_key

    key = account_of(account) if account else wallet_key(folder).public_key.raw
    async with Host() as host:
        state = await _ask(host, folder, connect, network).account(key)
    waiting = state.next_number - state.number
    output.record(address=address_of(key), balance=state.balance, waiting=waiting, height=state.height)
    output.facts(
        address=address_of(key), balance=f"{state.balance:,}", waiting=str(waiting), at_block=str(state.height)
    )


async def _history(
    output: Output, folder: Path, connect: str | None, network: str, account: str | None, count: int
) -> None:
    from datetime import UTC, datetime

    from p2pstack import Host
    from p2pstack.apps.ledger.transfer import Transfer, account_of, address_of
    from p2pstack.apps.ledger.wallet import wallet_key

    key = account_of(account) if account else wallet_key(folder).public_key.raw
    async with Host() as host:
        history = await _ask(host, folder, connect, network).history(key, count)
    table = grid(">block", "when", "what", ">amount", ">fee", ">confirmations", "who")
    for item in history.items:
        transfer = None if item.transfer is None else Transfer.from_bytes(item.transfer)
        amount, fee = (None, None) if transfer is None else (transfer.amount, transfer.fee)
        if transfer is None:
            what, other = "mined", None
        elif transfer.sender == key:
            what, other = "sent", address_of(transfer.recipient)
        else:
            what, other = "received", address_of(transfer.sender)
        confirmations = history.height - item.height + 1
        when = datetime.fromtimestamp(item.time / 1000, UTC)
        output.record(
            what=what,
            height=item.height,
            time=item.time,
            amount=amount,
            fee=fee,
            other=other,
            id=None if transfer is None else transfer.id.hex(),
            confirmations=confirmations,
        )
        table.add_row(
            str(item.height),
            f"{when:%Y-%m-%d %H:%M:%S}",
            what,
            "" if amount is None else f"{amount:,}",
            "" if fee is None else f"{fee:,}",
            str(confirmations),
            other or "",
        )
    output.show(table)
