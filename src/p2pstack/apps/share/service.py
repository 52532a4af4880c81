"""`Share`: a service that has a content, or fetches it, from and for all who do the same.

==============  =====================================================================================================
who             all who have some of a content are neighbours in a network that is named by its hash
learns          of a content that is only known by its hash, the manifest, from whoever is there first
fetches         from every neighbour at a time, until all is here
serves          what is here, from the first piece on, until the host ends
==============  =====================================================================================================
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeVar

from anyio import (
    BrokenResourceError,
    CapacityLimiter,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    current_time,
    fail_after,
    move_on_after,
    sleep_forever,
    to_thread,
)
from anyio.abc import TaskStatus

from p2pstack import (
    AbstractHost,
    LocalProtocolError,
    Neighbours,
    P2PError,
    PeerDisconnected,
    PeerId,
    PeerIdentified,
    RemoteProtocolError,
    Stream,
)
from p2pstack.apps.share.downloads import Download
from p2pstack.apps.share.manifest import MAX_MANIFEST, Manifest
from p2pstack.apps.share.messages import MAX_WINDOW
from p2pstack.apps.share.pauses import Pauses
from p2pstack.apps.share.picker import Picker
from p2pstack.apps.share.store import Store
from p2pstack.apps.share.uploads import Uploads

__all__ = ["Phase", "Share", "ShareConfig", "Store"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: seconds for a manifest
_MANIFEST_DEADLINE = 30.0
#: seconds between two looks at who is there, and at what is late
_INTERVAL = 1.0
#: peers that sent something bad, that are remembered
_MAX_BANNED = 4_096
#: how a stream may end without a mistake of ours
_STREAM_ERRORS = (P2PError, EndOfStream, TimeoutError, BrokenResourceError, ClosedResourceError)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareConfig:
    """How much is done at a time."""

    slots: int = 8
    """Pieces that leave at a time."""

    window: int = 8
    """Pieces wanted of one peer at a time."""

    room: int = 1 << 26
    """Bytes on their way to us: so much memory they may take. Two pieces may be at any rate."""

    neighbours: int = 8
    """Peers to be connected to; others may connect to us beyond these."""

    threads: bool = True
    """Hash, read and write in threads: not in virtual time, which knows none."""

    def __post_init__(self) -> None:
        if self.slots < 1 or not 1 <= self.window <= MAX_WINDOW or self.room < 0 or self.neighbours < 1:
            raise LocalProtocolError(f"ShareConfig: expected numbers from 1, and a window up to {MAX_WINDOW}")


class Phase(Enum):
    """How far it is."""

    LOOKING = "looking for somebody who has it"
    OPENING = "verifying what is here already"
    FETCHING = "fetching"
    COMPLETE = "complete"


class _Parts(NamedTuple):
    """What there is when the manifest is known."""

    store: Store
    picker: Picker[PeerId]
    uploads: Uploads


class Share:
    """Has a content, or fetches it. A service.

    :param content: what it is named by: the SHA-256 of its manifest
    :param store: where it is, or has begun to be; or what makes that of the manifest, once that is known
    :param bootstrap: addresses of some who have it
    """

    def __init__(
        self,
        content: bytes,
        store: Store | Callable[[Manifest], Store],
        *,
        bootstrap: Sequence[str] = (),
        config: ShareConfig | None = None,
    ) -> None:
        self.content = content
        self.config = config or ShareConfig()
        #: set when all is here
        self.finished = Event()
        #: where the content is then
        self.path: Path | None = None
        #: who is fetched from
        self.downloads: dict[PeerId, Download] = {}
        #: bytes of pieces that came from each peer, good ones only
        self.received: dict[PeerId, int] = {}
        self.neighbours = Neighbours(
            bootstrap, network=f"share/{content.hex()}", wanted=self.config.neighbours, interval=_INTERVAL
        )
        self.protocol = f"/p2pstack/share/{content.hex()}/1.0.0"
        self._describe = f"/p2pstack/share/{content.hex()}/manifest/1.0.0"
        self._store = store
        self._parts: _Parts | None = None
        self._opening = False
        self._limiter: CapacityLimiter | None = None
        self._banned: dict[PeerId, None] = {}
        self._pauses = Pauses[PeerId]()
        self._asked: set[PeerId] = set()  # those that are fetched from, or are about to be
        self._wake = Event()
        self._failure: OSError | None = None

    @property
    def manifest(self) -> Manifest | None:
        """What the content is, once that is known."""
        return self._parts and self._parts.store.manifest

    @property
    def phase(self) -> Phase:
        """What it is doing."""
        if self._parts is None:
            return Phase.OPENING if self._opening else Phase.LOOKING
        if not self._parts.picker.missing:
            return Phase.COMPLETE
        return Phase.FETCHING if self.downloads else Phase.LOOKING

    @property
    def done(self) -> int:
        """Bytes that are here."""
        if self._parts is None:
            return 0
        manifest, missing = self._parts.store.manifest, self._parts.picker.missing
        size = manifest.size - missing.bit_count() * manifest.piece_size
        if missing and missing >> manifest.count - 1:  # the last one may be shorter
            size += manifest.piece_size - manifest.length(manifest.count - 1)
        return size

    @property
    def sent(self) -> int:
        """Bytes of pieces that were sent to others."""
        return self._parts.uploads.sent if self._parts else 0

    @property
    def banned(self) -> Mapping[PeerId, None]:
        """Peers that sent what is not right."""
        return self._banned

    # --- life

    async def run(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        self._limiter = CapacityLimiter(2)
        try:
            async with create_task_group() as tasks:
                await tasks.start(partial(self._watch, host))
                await tasks.start(partial(self.neighbours.run, host))
                store = self._store
                if callable(store):
                    task_status.started()
                    manifest = await self._learn(host)
                    self._opening = True
                    parts = self._serve(host, await self._do(store, manifest, abandon=True))
                else:
                    parts = self._serve(host, store)
                    task_status.started()
                tasks.start_soon(parts.uploads.run)
                await self._fetch(host, parts)
                self.path = await self._do(parts.store.finish)
                self.finished.set()
        finally:
            if self._parts:
                self._parts.store.close()

    def _serve(self, host: AbstractHost, store: Store) -> _Parts:
        """Open for others."""
        manifest = store.manifest
        pieces = max(self.config.room // manifest.piece_size, 2)
        picker = Picker[PeerId](manifest.count, store.have, window=self.config.window, room=pieces, random=host.random)
        uploads = Uploads(
            store.tree,
            store.have,
            manifest.count,
            slots=self.config.slots,
            read=partial(self._read, store),
            random=host.random,
        )
        self._parts = parts = _Parts(store, picker, uploads)
        host.handle(self._describe, handler=partial(self._tell_manifest, manifest.encode()), max_streams_per_peer=1)
        host.handle(self.protocol, handler=partial(self._upload, uploads), max_streams_per_peer=1)
        return parts

    async def _watch(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        """Whoever comes may be fetched from."""
        with host.events.subscribe(PeerIdentified, PeerDisconnected) as events:
            task_status.started()
            async for event in events:
                self._pauses.reconnected(event.peer)
                self._wake.set()

    async def _do(self, function: Callable[..., T], *arguments: object, abandon: bool = False) -> T:
        """Call what may block.

        :param abandon: do not wait for it when cancelled
        """
        if self.config.threads:
            return await to_thread.run_sync(function, *arguments, limiter=self._limiter, abandon_on_cancel=abandon)
        return function(*arguments)

    async def _read(self, store: Store, index: int) -> Sequence[bytes]:
        """A piece: there and then where it is in memory, for a thread would take as long again."""
        return store.read(index) if store.at_hand(index) else await self._do(store.read, index)

    # --- others

    def _candidates(self, host: AbstractHost, protocol: str) -> Sequence[PeerId]:
        """Who could be asked now."""
        now = current_time()
        return [
            peer
            for peer in host.peers
            if peer not in self._banned
            and not self._pauses.holds(peer, now)
            and protocol in host.peerstore.protocols(peer)
        ]

    async def _until_something_changes(self) -> None:
        with move_on_after(_INTERVAL):
            await self._wake.wait()
        self._wake = Event()

    async def ban(self, host: AbstractHost, peer: PeerId, why: object) -> None:
        """Have nothing to do with a peer any longer."""
        logger.warning("%s is not asked again: %s", peer, why)
        while len(self._banned) >= _MAX_BANNED:
            del self._banned[next(iter(self._banned))]
        self._banned[peer] = None
        await host.disconnect(peer)

    # --- the manifest

    async def _tell_manifest(self, manifest: bytes, stream: Stream) -> None:
        with fail_after(_MANIFEST_DEADLINE):
            await stream.send(manifest)

    async def _learn(self, host: AbstractHost) -> Manifest:
        """The manifest, from whoever has the right one.

        :raises RemoteProtocolError: that is none, so that nobody can have another
        """
        while True:
            for peer in self._candidates(host, self._describe):
                self._pauses.begin(peer, current_time())
                try:
                    with fail_after(_MANIFEST_DEADLINE):
                        data = await self._ask_manifest(host, peer)
                except _STREAM_ERRORS as error:
                    logger.debug("%s did not tell the manifest: %s", peer, error)
                    continue
                if sha256(data).digest() == self.content:
                    self._pauses.clear()
                    return Manifest.parse(data)
                await self.ban(host, peer, "its manifest is not the one that the hash stands for")
            await self._until_something_changes()

    async def _ask_manifest(self, host: AbstractHost, peer: PeerId) -> bytes:
        data = bytearray()
        async with await host.open_stream(peer, self._describe) as stream:
            async for part in stream:
                data += part
                if len(data) > MAX_MANIFEST:
                    stream.reset()
                    break
        return bytes(data)

    # --- fetching

    async def _fetch(self, host: AbstractHost, parts: _Parts) -> None:
        async with create_task_group() as tasks:
            while parts.picker.missing:
                for peer in self._candidates(host, self.protocol):
                    if peer not in self._asked:
                        self._asked.add(peer)
                        tasks.start_soon(self._download, host, parts, peer)
                self._ask_all()
                await self._until_something_changes()
                for download in self.downloads.values():
                    download.tick(current_time())
                if self._failure is not None:
                    raise self._failure
            tasks.cancel_scope.cancel()

    def _ask_all(self) -> None:
        for download in self.downloads.values():
            download.ask()

    async def _download(self, host: AbstractHost, parts: _Parts, peer: PeerId) -> None:
        late = False
        try:
            async with await host.open_stream(peer, self.protocol) as stream:
                keep = partial(self._keep, parts, peer)
                download = Download(parts.store.manifest, parts.picker, stream, keep=keep)
                self.downloads[peer] = download
                try:
                    await download.run()
                finally:
                    del self.downloads[peer]
        except* _STREAM_ERRORS as group:
            logger.debug("nothing more from %s: %s", peer, group.exceptions)
            late = group.subgroup(TimeoutError) is not None
            if wrong := group.subgroup(RemoteProtocolError):
                await self.ban(host, peer, wrong.exceptions[0])
        self._pauses.begin(peer, current_time(), late=late)
        self._asked.remove(peer)
        self._ask_all()  # for what was asked of it

    async def _keep(self, parts: _Parts, peer: PeerId, index: int, piece: Sequence[bytes], proof: bytes) -> bool:
        store, picker, uploads = parts
        if picker.missing >> index & 1:
            try:
                if not await self._do(store.put, index, piece, proof):
                    return False
            except OSError as error:  # no room, say: that is no peer's fault, and the end
                self._failure = error
                self._wake.set()
                await sleep_forever()
        crowded = picker.crowded
        if picker.arrived(peer, index, current_time()):
            self.received[peer] = self.received.get(peer, 0) + sum(map(len, piece))
            uploads.gain(index)
            self._pauses.did_well(peer)
            if not picker.missing:
                self._wake.set()
        if crowded:
            self._ask_all()
        return True

    # --- serving

    async def _upload(self, uploads: Uploads, stream: Stream) -> None:
        if stream.remote_peer in self._banned:
            raise RemoteProtocolError(f"{stream.remote_peer} sent what was not right, and is not served")
        try:
            await uploads.serve(stream)
        except* EndOfStream:
            pass
        except* _STREAM_ERRORS as group:
            logger.debug("%s is not served any longer: %s", stream.remote_peer, group.exceptions)
            stream.reset()
        except* OSError as group:
            logger.warning("%s", group.exceptions[0])
            stream.reset()
