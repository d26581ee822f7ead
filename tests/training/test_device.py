"""Where a run computes: devices that exist, processes that share every batch and end with the
weights of one."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from polyrhythm.sw.network import Network
from polyrhythm.sw.training.run.device import Process, find_process

REPO = Path(__file__).resolve().parents[2]


def test_devices_are_named_and_refused() -> None:
    assert find_process("cpu") == Process(torch.device("cpu"))
    assert find_process("auto").device.type == ("cuda" if torch.cuda.device_count() else "cpu")
    for word in ("gpu", "cpu:1", "cuda:x"):
        with pytest.raises(
            ValueError, match=f"^device must be auto, cpu, cuda or cuda:N, not '{word}'$"
        ):
            find_process(word)
    with pytest.raises(
        ValueError,
        match=r"^device cuda:99 needs GPU 99, but torch sees \d+ of them; fix it with: --device cpu$",
    ):
        find_process("cuda:99")


def test_every_row_of_a_batch_is_somebodys() -> None:
    rows = torch.arange(11)
    shares = [Process(torch.device("cpu"), rank, 3).share(rows) for rank in range(3)]
    assert sorted(torch.cat(shares).tolist()) == rows.tolist()
    assert Process(torch.device("cpu")).share(rows).tolist() == rows.tolist()


@pytest.mark.parametrize(("wanted", "stage", "mixed"), [
    (None, "float", False), (False, "float", False), (True, "float", True), (True, "quantized", True), (True, "snapped", False),
])  # fmt: skip
def test_products_are_mixed_where_the_recipe_says_so_and_never_behind_the_snap(
    wanted: bool | None, stage: str, mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": True})
    with Process(torch.device("cpu")).mixed(stage, wanted):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (
            torch.bfloat16 if mixed else torch.float32
        )


def test_a_cpu_without_bfloat16_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.cpu,
        "get_capabilities",
        lambda: {"avx2": True, "avx512_bf16": False, "amx_bf16": False},
    )
    assert isinstance(Process(torch.device("cpu")).mixed("float", wanted=True), nullcontext)


def test_a_recipe_can_refuse_mixed_precision_on_a_gpu() -> None:
    assert isinstance(Process(torch.device("cuda")).mixed("float", wanted=False), nullcontext)


SCRIPT = """
import dataclasses, sys
from polyrhythm.sw.training import train
from polyrhythm.sw.training.recipes import DIGITS
tiny = dataclasses.replace(DIGITS, float_epochs=2, quantized_epochs=1, snapped_epochs=1, batch=61)
network, report = train.train(tiny, out=sys.argv[1], folder=sys.argv[2], device="cpu")
print(network.digest, report["accuracy"])
"""


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    """Sums in another order round otherwise, so the weights agree nearly, and both processes agree
    exactly."""
    (tmp_path / "run.py").write_text(SCRIPT)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    } | {"PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    told = subprocess.run(
        [*launch, "run.py", "two.safetensors", "run"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    lines = told.stdout.split("\n")[:2]
    assert lines[0] == lines[1] and float(lines[0].split()[1]) > 0.5
    assert told.stderr.count("epoch   4/4") == 1  # one process reports
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 4

    alone = subprocess.run(
        [sys.executable, "run.py", "one.safetensors", "alone"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert alone.returncode == 0, alone.stderr
    two, one = (Network.load(tmp_path / f"{name}.safetensors") for name in ("two", "one"))
    for ours, theirs in zip(two.layers, one.layers, strict=True):
        assert abs(ours.weight - theirs.weight).mean() < 0.05
    assert abs(float(alone.stdout.split()[1]) - float(lines[0].split()[1])) < 0.03
