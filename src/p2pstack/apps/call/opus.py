"""Opus by libopus, as PyAV brings it: 20 ms of mono sound at 48 kHz in, some 80 bytes out, and back."""

from array import array
from typing import Any, Literal

from av import AudioCodecContext, AudioFrame, Packet
from av.error import FFmpegError

__all__ = ["FRAME_BYTES", "RATE", "SAMPLES", "OpusDecoder", "OpusEncoder"]

#: samples a second
RATE = 48_000
#: samples of a frame
SAMPLES = 960
#: ... which have two bytes each
FRAME_BYTES = 2 * SAMPLES
#: bits a second: speech as good as it gets
_BIT_RATE = 32_000
_SILENCE = bytes(FRAME_BYTES)


def _codec(mode: Literal["r", "w"]) -> Any:
    codec = AudioCodecContext.create("libopus", mode)
    codec.sample_rate = RATE
    codec.layout = "mono"
    codec.format = "s16"
    return codec


class OpusEncoder:
    """Frames in the order they are spoken."""

    def __init__(self) -> None:
        self._codec = _codec("w")
        self._codec.bit_rate = _BIT_RATE
        self._codec.options = {"application": "voip", "frame_duration": "20"}
        self._pts = 0

    def encode(self, pcm: bytes) -> bytes:
        """A frame of `FRAME_BYTES`, as Opus."""
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.sample_rate = RATE
        frame.pts = self._pts
        self._pts += SAMPLES
        frame.planes[0].update(pcm)
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


class OpusDecoder:
    """Frames in the order they are heard."""

    def __init__(self) -> None:
        self._codec = _codec("r")
        self._last = _SILENCE

    def decode(self, opus: bytes) -> bytes:
        """A frame of `FRAME_BYTES`. What is no Opus is made up; what lasts longer than 20 ms is cut."""
        try:
            frames = self._codec.decode(Packet(opus))
        except FFmpegError:
            return self.conceal()
        pcm = b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)[:FRAME_BYTES]
        self._last = pcm.ljust(FRAME_BYTES, b"\0")
        return self._last

    def conceal(self) -> bytes:
        """What is heard where a frame is missing: the last one again, dying away within 20 ms; then silence."""
        if self._last is _SILENCE:
            return _SILENCE
        samples = array("h", self._last)
        fading = array("h", (sample * (SAMPLES - index) // SAMPLES for index, sample in enumerate(samples)))
        self._last = _SILENCE
        return fading.tobytes()
