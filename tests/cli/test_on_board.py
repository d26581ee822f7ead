"""run and compare on a board: what they answer, and what is wrong with a port in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import REPO, call, digits_network
from onboard import Linked

from polyrhythm.boards.driver import device, opening, port
from polyrhythm.sw import golden
from polyrhythm.sw.network import Network
from polyrhythm.sw.trace import Trace

DIGITS = str(REPO / "models" / "digits.safetensors")
RUN = ["run", "tiny.safetensors", "--input", "x.npy", "--executor", "board"]
COMPARE = ["compare", "tiny.safetensors", "--dataset", "digits", "--executor", "board"]


@pytest.fixture(autouse=True)
def quick_simulators() -> None:
    """The board is the one of tests/board, compiled once."""


@pytest.mark.xdist_group("board")
def test_run_gives_what_golden_gives(
    here: Path, shared_build: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", DIGITS, "--input", "x.npy", "--executor", "board", "--port", "sim"]
    code, out, _ = call(capsys, *words, "--trace", "t.npz", "--json")
    told, expected = json.loads(out), golden.run(Network.load(DIGITS), np.load("x.npy"))
    assert (code, told["executor"], told["class"]) == (0, "board", expected.answer.tolist())
    assert told["logits"] == expected.logits.tolist() and min(told["cycles"]) > 0
    trace = Trace.load("t.npz")
    assert expected.first_difference(trace) is None and trace.counts == {}


@pytest.mark.xdist_group("board")
def test_compare_tells_of_differences_and_of_the_link(
    here: Path, shared_build: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", DIGITS, "--dataset", "digits", "--executor", "board", "--port", "sim"]
    code, out, _ = call(capsys, *words, "--limit", "30", "--json")
    told = json.loads(out)
    assert (code, told["frames"], told["first_difference"]) == (0, 30, None)
    assert told["differences"] == {"board": {"predictions": 0, "logits": 0}}
    assert told["accuracy"]["board"] == told["accuracy"]["golden"] > 0.9
    link = told["link"]
    assert link["repeated_frames"] == link["dropped"] == 0
    # 32 bytes of pixels, and at least 9 of the packet's own
    assert link["sent_bytes"] >= 30 * 41 and link["simulated_clocks"] > 30 * 41 * 40
    most = max(link["sent_bytes"], link["received_bytes"]) / 30
    assert link["at_baud"]["frames_per_s"] == pytest.approx(300_000 / most, 1e-3)
    assert link["simulated_frames_per_s"] < link["at_baud"]["frames_per_s"]


@pytest.mark.xdist_group("board")
def test_a_difference_is_found_and_ends_with_1(
    here: Path,
    shared_build: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    right = device.Device._trace

    def wrong(self: device.Device, frames: list[object]) -> Trace:
        trace = right(self, frames)  # type: ignore[arg-type]
        trace.logits[7, 3] += 1
        return trace

    monkeypatch.setattr(device.Device, "_trace", wrong)
    words = ["compare", DIGITS, "--dataset", "digits", "--executor", "board", "--port", "sim"]
    code, out, _ = call(capsys, *words, "--limit", "10")
    assert code == 1 and "first difference: board: frame 7, neuron 3: logits expected " in out


@pytest.mark.xdist_group("board")
def test_another_networks_bitstream_ends_with_2(
    here: Path, shared_build: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with Linked.on("sim").as_port() as name:
        code, _, err = call(capsys, *RUN, "--port", name)
    text = f"polyrhythm: {name}: the board must hold network tiny ({digits_network().digest[:16]}), but its bitstream is "
    assert code == 2 and err.startswith(text) and err.count("\n") == 1


MISSING = "/dev/ttyUSB77: no such port; plug the board in (this machine has no serial port)"
LANES = "lanes and coding belong to the board's bitstream; leave --lanes and --coding out with --port /dev/ttyUSB77"
NEEDS = "executor board needs a port: --port /dev/ttyUSB0, or --port sim for a simulated board"
WRONG = {
    "missing": ([*RUN, "--port", "/dev/ttyUSB77"], 3, MISSING),
    "missing, compare": ([*COMPARE, "--port", "/dev/ttyUSB77"], 3, MISSING),
    "no port": (RUN, 2, NEEDS),
    "no port, compare": (COMPARE, 2, NEEDS),
    "lanes": ([*RUN, "--port", "/dev/ttyUSB77", "--lanes", "2,2"], 2, LANES),
    "no board": (
        [*RUN[:-1], "golden", "--port", "sim"], 2,
        "port belongs to --executor board, not golden; leave --port out, or say --executor board",
    ),
    "alone": (
        [*COMPARE, "--port", "sim", "--alone", "3"], 2,
        "alone belongs to the RTL; leave --alone out with --executor board",
    ),
    "executor": (
        [*COMPARE[:-1], "bord"], 2, "executor must be one of rtl, board, not 'bord'; did you mean board?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(
    case: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words, code, text = WRONG[case]
    monkeypatch.setattr(port, "ports", lambda: [])
    assert call(capsys, *words)[::2] == (code, f"polyrhythm: {text}\n")


def test_a_silent_board_ends_with_3(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    master, slave = os.openpty()
    monkeypatch.setattr(opening, "LOOK_S", 0.01)
    monkeypatch.setattr(opening, "TIMEOUT_S", 0.02)
    try:
        code, _, err = call(capsys, *RUN, "--port", os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)
    assert code == 3 and ": the board is silent, 5 times 0.02 s without a byte; look whether" in err
