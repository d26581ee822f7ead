"""The digits network as a bitstream, by the real tools."""

from pathlib import Path

import pytest

from polyrhythm.boards.bitstream.build import build, digest_of
from polyrhythm.sw.network import Network

REPO = Path(__file__).parents[2]


@pytest.mark.long
def test_digits_become_an_icebreakers_bitstream_and_the_same_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once with the clock found, and once from nothing with that clock asked for."""
    network = Network.load(REPO / "models" / "digits.safetensors")
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path / "one"))
    told = build(network, "icebreaker", [8, 5])
    bitstream = tmp_path / "one" / "digits-icebreaker" / "digits.bin"
    assert (
        bitstream.stat().st_size > 100_000 and digest_of(bitstream) == told["files"]["digits.bin"]
    )
    clock = told["clock_hz"] / 1e6
    assert clock >= 30 and min(told["fmax_mhz"].values()) >= clock
    assert all(mhz == pytest.approx(clock, rel=1e-3) for mhz in told["constraint_mhz"].values())
    assert all(told["use"][word] <= most for word, most in told["available"].items())
    assert "of layer" in told["critical_path"] or "of the link" in told["critical_path"]
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path / "two"))
    again = build(network, "icebreaker", [8, 5], freq=clock, baud=told["baud"])
    assert again["files"] == told["files"]
