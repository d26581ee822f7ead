"""The README and docs/results.md: every command in a block marked sh runs, and prints the numbers
that stand there; so does the Python."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
README, RESULTS = (
    (REPO / page).read_text(encoding="utf-8") for page in ("README.md", "docs/results.md")
)
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README + RESULTS, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()
]
SLOW = ("synth",)  # minutes each
ON_DATA = ("compare", "cutoff")


def marked(command: str) -> object:
    slow = command.split()[1] in SLOW or ("mnist" in command and command.split()[1] in ON_DATA)
    return pytest.param(command, marks=pytest.mark.long if slow else ())


def run(command: str, data: Path | None = None) -> dict:
    """Run a `polyrhythm` command of the README with --json; its object."""
    program, *words = command.split()
    assert program == "polyrhythm", f"the README shows {command!r}, which this test cannot run"
    environment = os.environ | ({"POLYRHYTHM_DATA": str(data)} if data else {})
    done = subprocess.run(
        [sys.executable, "-m", "polyrhythm", *words, "--json"],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def row_of(network: str) -> list[str]:
    """The row of a reference network in docs/results.md, as cells."""
    (row,) = [line for line in RESULTS.splitlines() if line.startswith(f"| `models/{network}`")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_shows_the_commands_it_promises() -> None:
    verbs = {command.split()[1] for command in COMMANDS}
    assert {"doctor", "info", "verilog", "compare", "synth", "cutoff", "to-events", "tune"} <= verbs


@pytest.mark.parametrize("command", [marked(c) for c in COMMANDS])
def test_command_runs_and_prints_the_numbers_of_its_page(
    command: str, request: pytest.FixtureRequest
) -> None:
    data = (
        request.getfixturevalue("data_root")
        if "mnist" in command and command.split()[1] in ON_DATA
        else None
    )
    printed = run(command, data)
    if " compare " in command:
        assert printed["first_difference"] is None
    if " compare " in command and "--limit" not in command and "--profile" not in command:
        cells = row_of(printed["network"])
        accuracy = printed["accuracy"]
        assert (
            cells[3]
            == " / ".join(f"{100 * accuracy[k]:.2f}" for k in ("float", "torch", "golden", "RTL"))
            + " %"
        )
        assert (cells[4], cells[5]) == (
            f"{printed['cycles']['mean']:.1f}",
            f"{printed['interval']['mean']:.1f}",
        )
    if " tune " in command:
        (told,) = re.findall(r"from\s+(\d\d\.\d\d)\s+to\s+(\d\d\.\d\d)\s+%", RESULTS)
        assert told[0] == f"{100 * printed['start_accuracy']:.2f}"
        # Training hangs on how a CPU rounds, see README
        assert abs(float(told[1]) - 100 * printed["accuracy"]) <= 1
    if " cutoff " in command:
        for rule in printed["rules"]:
            (row,) = [
                line
                for line in RESULTS.splitlines()
                if line.startswith((f"| `{rule['rule']}` |", f"| {rule['rule']} |"))
            ]
            assert (
                f"| {rule['mean_ticks']:.2f} |" in row
                and f"| {100 * rule['accuracy']:.2f} % |" in row
            )
            assert f"| {rule['changed']}" in row and f"| {rule['cycles']:.1f} |" in row


def test_the_readme_is_short_and_agrees_with_the_results() -> None:
    assert len(README.encode()) <= 7000
    for name, row in (
        ("mnist-mlp", "MNIST 784-128-10"),
        ("mnist-mt", "MNIST, three"),
        ("fashion-mt", "Fashion-MNIST"),
        ("cifar10-mt", "CIFAR-10"),
    ):
        (line,) = [line for line in README.splitlines() if line.startswith(f"| {row}")]
        cells, told = row_of(name), [cell.strip() for cell in line.strip("|").split("|")]
        floats, *_, verilog = cells[3].removesuffix(" %").split(" / ")
        assert told[2] == f"{floats}, {verilog} %" and told[3] == f"{float(cells[5]):,.0f}"
        (size,) = [
            line.split("|")
            for line in RESULTS.splitlines()
            if line.startswith(f"| `{name}` | ecp5")
        ]
        assert told[4] == f"{size[4].strip()}, {float(size[8].split()[0]):.0f} MHz"


def test_the_python_of_the_readme_runs_and_finds_no_difference(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 9 and "import torch" not in text
    (tmp_path / "models").symlink_to(REPO / "models")
    environment = os.environ | {"PYTHONPATH": str(REPO), "POLYRHYTHM_BUILD": str(REPO / "build")}
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.rstrip().endswith("\n0") or done.stdout.rstrip().endswith(" 0")
    assert "no difference: every count and every logit is the same" in done.stdout
    assert (tmp_path / "build" / "digits" / "digits.v").is_file()


def links(page: Path) -> list[str]:
    """What a page points to in the repository."""
    found = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [link for link in found if "://" not in link]


@pytest.mark.parametrize(
    "page",
    sorted(
        str(page.relative_to(REPO)) for page in [*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md")]
    ),
)
def test_links_lead_somewhere(page: str) -> None:
    for link in links(REPO / page):
        assert ((REPO / page).parent / link).exists(), f"{page} points to {link}"


def test_the_two_make_targets_exist() -> None:
    for target in ("demo", "test"):
        assert f"make {target}" in README
        listed = subprocess.run(
            ["make", "--no-print-directory", "-n", target],
            cwd=REPO,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("polyrhythm demo" if target == "demo" else "pytest") in listed.stdout
