"""Sound from files and devices, and Opus."""

import math
import wave
from array import array
from pathlib import Path
from time import time
from typing import Any

import anyio
import pytest

from p2pstack import LocalProtocolError
from p2pstack.apps.call import sound
from p2pstack.apps.call.messages import FRAME
from p2pstack.apps.call.opus import FRAME_BYTES, OpusDecoder, OpusEncoder
from p2pstack.apps.call.sound import DeviceMicrophone, DeviceSpeaker, FileMicrophone, FileSpeaker, portaudio


def tone(samples: int, *, rate: int = 48_000) -> "array[int]":
    return array("h", (round(8_000 * math.sin(2 * math.pi * 440 * index / rate)) for index in range(samples)))


def loudness(pcm: bytes) -> float:
    samples = array("h", pcm)
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def write(path: Path, samples: "array[int]", *, rate: int = 48_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def test_opus_gives_back_what_it_was_given() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    samples = tone(960 * 10)
    heard = b""
    for index in range(10):
        opus = encoder.encode(samples[index * 960 : (index + 1) * 960].tobytes())
        assert 0 < len(opus) < 300
        pcm = decoder.decode(opus)
        assert len(pcm) == FRAME_BYTES
        heard += pcm
    assert loudness(heard[FRAME_BYTES * 3 :]) == pytest.approx(8_000 / math.sqrt(2), rel=0.2)


def test_what_is_missing_dies_away() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    assert decoder.conceal() == bytes(FRAME_BYTES)
    for _ in range(5):
        whole = decoder.decode(encoder.encode(tone(960).tobytes()))
    faded = decoder.conceal()
    assert len(faded) == FRAME_BYTES
    assert loudness(faded[-200:]) < 0.2 * loudness(whole)
    assert decoder.conceal() == bytes(FRAME_BYTES)


@pytest.mark.parametrize("rubbish", [b"\xff\xff\xff", b"\x00", b"\x00" * 1_275, b"\xfb\x3f" + b"x" * 200, b"\x7f" * 9])
def test_what_is_no_opus_is_20_ms_all_the_same(rubbish: bytes) -> None:
    decoder = OpusDecoder()
    assert len(decoder.decode(rubbish)) == FRAME_BYTES


async def test_a_file_is_a_microphone_that_takes_its_time(tmp_path: Path) -> None:
    microphone = FileMicrophone(write(tmp_path / "a.wav", tone(960 * 4 + 100)), clock=time)
    began = time()
    spoken = []
    while (frame := await microphone.listen()) is not None:
        at, pcm = frame
        assert len(pcm) == FRAME_BYTES
        spoken.append(at)
    assert time() - began >= 4.5 * FRAME  # by two clocks
    assert len(spoken) == 5
    assert all(at - spoken[0] >= (number - 0.5) * FRAME for number, at in enumerate(spoken))
    microphone.close()
    assert await microphone.listen() is None


async def test_other_rates_and_channels_become_ours(tmp_path: Path) -> None:
    stereo = array("h", (sample for value in tone(2_205, rate=22_050) for sample in (value, value)))
    microphone = FileMicrophone(write(tmp_path / "a.wav", stereo, rate=22_050, channels=2), clock=time)
    frames = 0
    while await microphone.listen() is not None:
        frames += 1
    assert frames in (5, 6)


def test_what_is_no_sound_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no sound at all " * 100)
    with pytest.raises(LocalProtocolError, match="sound"):
        FileMicrophone(tmp_path / "a.txt", clock=time)
    with pytest.raises(OSError, match="No such file"):
        FileMicrophone(tmp_path / "nothing", clock=time)


async def test_a_file_is_a_speaker(tmp_path: Path) -> None:
    speaker = FileSpeaker(tmp_path / "b.wav", clock=time)
    first = await speaker.turn()
    await speaker.play(bytes(FRAME_BYTES))
    assert await speaker.turn() >= first + FRAME / 2
    await speaker.play(tone(960).tobytes())
    speaker.close()
    with wave.open(str(tmp_path / "b.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (48_000, 1, 1_920)


class Device:
    """A stream of `sounddevice`."""

    latency = 0.01

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.played = b""
        self.state = "made"

    def start(self) -> None:
        self.state = "started"

    def close(self) -> None:
        self.state = "closed"

    def read(self, samples: int) -> tuple[bytes, bool]:
        return bytes(2 * samples), False

    def write(self, data: bytes) -> None:
        self.played += data


class PortAudio:
    """The module `sounddevice`."""

    RawInputStream = RawOutputStream = Device
    PortAudioError = LookupError


async def test_a_device_that_fails_is_told_as_a_file_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    microphone, speaker = DeviceMicrophone(PortAudio, clock=lambda: 0.0), DeviceSpeaker(PortAudio, clock=lambda: 0.0)

    def fail(*arguments: Any) -> None:
        raise LookupError("Device unavailable")

    for name in ("read", "write", "start"):
        monkeypatch.setattr(Device, name, fail)
    with anyio.fail_after(120):
        with pytest.raises(OSError, match="the microphone of this machine failed: Device unavailable"):
            await microphone.listen()
        with pytest.raises(OSError, match="the speaker of this machine failed: Device unavailable"):
            await speaker.play(b"xy")
    for device in (DeviceMicrophone, DeviceSpeaker):
        with pytest.raises(OSError, match="Device unavailable"):
            device(PortAudio, clock=lambda: 0.0)


async def test_devices_are_microphone_and_speaker() -> None:
    microphone, speaker = (
        DeviceMicrophone(PortAudio, clock=lambda: 100.0),
        DeviceSpeaker(PortAudio, clock=lambda: 100.0),
    )
    with anyio.fail_after(120):
        assert await microphone.listen() == (pytest.approx(100 - 0.03), bytes(FRAME_BYTES))
        assert await speaker.turn() == pytest.approx(100.01)
        await speaker.play(b"xy")
    microphone.close()
    speaker.close()
    assert speaker._stream.played == b"xy"
    assert speaker._stream.settings["samplerate"] == 48_000
    assert microphone._stream.state == speaker._stream.state == "closed"


def test_without_portaudio_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def fail(name: str, *rest: Any, **more: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", fail)
    assert portaudio() is None
    assert sound.RATE == 48_000
