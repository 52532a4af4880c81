"""Where sound comes from and where it goes: microphone and speaker, or files in their place.

A file takes its time: 20 ms of it are there after 20 ms. So all that is measured holds as for a microphone.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from os import SEEK_END
from pathlib import Path
from struct import pack
from typing import Any, Protocol

from anyio import current_time, sleep_until, to_thread

from p2pstack import LocalProtocolError
from p2pstack.apps.call.messages import FRAME
from p2pstack.apps.call.opus import FRAME_BYTES, RATE, SAMPLES

__all__ = ["DeviceMicrophone", "DeviceSpeaker", "FileMicrophone", "FileSpeaker", "Microphone", "Speaker", "portaudio"]

#: bytes of samples that the header of a WAV file can tell of: twelve hours
_MAX_WAV = (1 << 32) - 64


class Microphone(Protocol):
    """Where sound comes from."""

    async def listen(self) -> tuple[float, bytes] | None:
        """The next 20 ms, once they are over: when they began, in seconds since 1970, and `FRAME_BYTES` of samples.
        None: there is no more."""
        ...

    def close(self) -> None:
        """The end."""
        ...


class Speaker(Protocol):
    """Where sound goes."""

    async def turn(self) -> float:
        """Wait until the next 20 ms are wanted; when they will be heard, in seconds since 1970."""
        ...

    async def play(self, pcm: bytes) -> None:
        """Play `FRAME_BYTES` of samples."""
        ...

    def close(self) -> None:
        """The end."""
        ...


class _Ticks:
    """Every 20 ms, by both clocks. Who comes late is not waited for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: float | None = None
        self._count = 0

    async def next(self) -> float:
        """Wait for the next tick; what the clock on the wall shows then."""
        now = current_time()
        if self._began is None:
            self._began = now
        self._count += 1
        at = self._began + self._count * FRAME
        await sleep_until(at)
        return self._clock() - (current_time() - at)


class FileMicrophone:
    """Any file with sound that FFmpeg knows.

    :param clock: seconds since 1970
    :raises LocalProtocolError: there is no sound in it
    :raises OSError: it cannot be read
    """

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self._frames = _frames_of(path)
        self._next = next(self._frames, None)  # so that what is no sound is told at once
        self._ticks = _Ticks(clock)

    async def listen(self) -> tuple[float, bytes] | None:
        pcm, self._next = self._next, next(self._frames, None)
        return None if pcm is None else (await self._ticks.next() - FRAME, pcm)

    def close(self) -> None:
        self._frames = iter(())


def _frames_of(path: Path) -> Iterator[bytes]:
    """The sound of a file in frames, the last one filled up with silence."""
    import av
    from av.error import InvalidDataError

    try:
        with av.open(str(path)) as file:
            if not file.streams.audio:
                raise LocalProtocolError(f"{path}: there is no sound in it")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            rest = b""
            for decoded in chain(file.decode(file.streams.audio[0]), [None]):
                for frame in resampler.resample(decoded):
                    rest += bytes(frame.planes[0])[: 2 * frame.samples]
                while len(rest) >= FRAME_BYTES:
                    yield rest[:FRAME_BYTES]
                    rest = rest[FRAME_BYTES:]
            if rest:
                yield rest.ljust(FRAME_BYTES, b"\0")
    except InvalidDataError:
        raise LocalProtocolError(f"{path}: expected a file with sound, such as WAV") from None


class FileSpeaker:
    """A WAV file: mono, 48 kHz, 16 bits. It begins with the first `turn`.

    The header is written here, as `wave.Wave_write` writes once more when it is collected, and then nobody can catch
    what goes wrong.

    :param clock: seconds since 1970
    :raises OSError: it cannot be written
    """

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self._file = path.open("wb")
        self._file.write(_header(0))
        self._size = 0
        self._ticks = _Ticks(clock)

    async def turn(self) -> float:
        return await self._ticks.next()

    async def play(self, pcm: bytes) -> None:
        self._file.write(pcm)
        self._size += len(pcm)
        self._file.seek(0)
        self._file.write(_header(self._size))  # each time, so that it holds when we are killed
        self._file.seek(0, SEEK_END)
        self._file.flush()

    def close(self) -> None:
        with suppress(OSError):  # `play` has told
            self._file.close()


def _header(size: int) -> bytes:
    """What is before so many bytes of samples."""
    size = min(size, _MAX_WAV)
    return pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", size
    )


def portaudio() -> Any | None:
    """The module `sounddevice`, where PortAudio is on this machine, with a device at all."""
    try:
        import sounddevice

        return sounddevice if sounddevice.query_devices() else None  # pyright: ignore[reportUnknownMemberType]
    except OSError:
        return None


@contextmanager
def _failing_as_files_do(module: Any, what: str) -> Generator[None]:
    """:raises OSError: PortAudio failed"""
    try:
        yield
    except module.PortAudioError as error:
        raise OSError(f"the {what} of this machine failed: {error}") from error


def _started(make: Callable[..., Any]) -> Any:
    """A stream of PortAudio, in or out, that runs."""
    stream = make(samplerate=RATE, blocksize=SAMPLES, channels=1, dtype="int16", latency="low")
    stream.start()
    return stream


class DeviceMicrophone:
    """The microphone of this machine.

    :param module: as `portaudio` gives it
    :param clock: seconds since 1970
    :raises OSError: it cannot be opened; also from `listen`, when it fails
    """

    def __init__(self, module: Any, *, clock: Callable[[], float]) -> None:
        self._module = module
        with _failing_as_files_do(module, "microphone"):
            self._stream = _started(module.RawInputStream)
        self._clock = clock

    async def listen(self) -> tuple[float, bytes] | None:
        with _failing_as_files_do(self._module, "microphone"):
            data, _ = await to_thread.run_sync(self._stream.read, SAMPLES)
        return self._clock() - FRAME - float(self._stream.latency), bytes(data)

    def close(self) -> None:
        self._stream.close()


class DeviceSpeaker:
    """The speaker of this machine. As `DeviceMicrophone`."""

    def __init__(self, module: Any, *, clock: Callable[[], float]) -> None:
        self._module = module
        with _failing_as_files_do(module, "speaker"):
            self._stream = _started(module.RawOutputStream)
        self._clock = clock

    async def turn(self) -> float:
        return self._clock() + float(self._stream.latency)

    async def play(self, pcm: bytes) -> None:
        with _failing_as_files_do(self._module, "speaker"):
            await to_thread.run_sync(self._stream.write, pcm)

    def close(self) -> None:
        self._stream.close()
