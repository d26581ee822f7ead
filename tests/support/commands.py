"""The command line in this process and in one of its own, and a network for it."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from polyrhythm.cli import main as program
from polyrhythm.sw.network import Input, Layer, Network

REPO = Path(__file__).parents[2]


def digits_network(schedule: str = "two_phase", name: str = "tiny") -> Network:
    """A network with random weights that takes the digits data set."""
    rng = np.random.default_rng(5)
    layers = (
        Layer(
            "fc1",
            "dense",
            rng.integers(-8, 8, (6, 64)),
            rng.integers(190, 210, 6),
            np.full(6, 60),
            4,
            T=3,
        ),
        Layer(
            "out",
            "readout",
            rng.integers(-8, 8, (10, 6)),
            np.zeros(10, int),
            None,
            4,
            T=2,
            v_init="zero",
        ),
    )
    made = {"dataset": "digits", "preprocess": "levels:15", "float_accuracy": 0.5}
    return Network(name, schedule, Input((1, 8, 8), 1, 15), layers, provenance=made)


def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `import torch` fail, and so what needs it."""
    for module in (
        "polyrhythm.sw.training.arithmetic.exact",
        "polyrhythm.sw.training.arithmetic.quantize",
    ):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command line."""
    capsys.readouterr()
    code = program.main(words)
    said = capsys.readouterr()
    return code, said.out, said.err


def command(*words: str, **options: object) -> subprocess.Popen[str]:
    """The command line in a process of its own."""

    def heed_interrupts() -> None:
        """A shell's background jobs ignore SIGINT, and so would this child of one."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipes = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "preexec_fn": heed_interrupts,
    }
    return subprocess.Popen([sys.executable, "-m", "polyrhythm", *words], **pipes | options)  # type: ignore[call-overload, no-any-return]
