"""What can be told before a training begins: names, paths and numbers, everything that is wrong at
once."""

import argparse
import math
import os
from collections.abc import Iterator
from pathlib import Path

from polyrhythm.cli.console import reason
from polyrhythm.cli.errors import Problems

MOST = 1 << 16  # time steps, threads
HEADER = 1 << 26  # bytes of a network file's header that are searched for our name


def good_name(name: object) -> str | None:
    """The name, or None where it is none."""
    from polyrhythm.sw.lib import check

    try:
        check.name("name", name)
    except (TypeError, ValueError):
        return None
    return str(name)


def look_at_training(problems: Problems, args: argparse.Namespace, name: str | None) -> None:
    """Collect what is wrong with a training's name, files, device and numbers, as far as its verb
    has them.

    name: None where it is wrong, and told with what else is wrong with its recipe.
    """
    from polyrhythm.sw.lib import check
    from polyrhythm.sw.training.run.device import find_process

    if name is not None:
        problems.of(check.name, "name", name)
    if name is not None or args.out:
        problems.of(network_file, args, args.out or f"{name}.safetensors")
    if args.run:
        problems.of(run_folder, args.run)
    for option in ("lr", "trade", "target_cycles", "target_mean_T", "target_events"):
        value = getattr(args, option, None)
        least = 1.0 if option == "target_mean_T" else 0.0
        enough = value is None or (
            math.isfinite(value) and value >= least and (value > 0 or option == "trade")
        )
        if not enough:
            bound = (
                "at least 1, for no layer has fewer time steps"
                if least
                else "at least 0"
                if option == "trade"
                else "above 0"
            )
            problems.add(
                f"--{option.replace('_', '-')} must be a finite number {bound}, not {value:g}"
            )
    for option in ("threads", "steps", "max_T"):
        value = getattr(args, option, None)
        if value is not None and not 1 <= value <= MOST:
            problems.add(
                f"--{option.replace('_', '-')} must be a whole number from 1 to {MOST}, not {value}"
            )
    steps, most = getattr(args, "steps", None), getattr(args, "max_T", None)
    if steps is not None and most is not None and 1 <= most < steps:
        problems.add(
            f"--steps must be at most --max-T, {most}, not {steps}: learning starts from it"
        )
    number = getattr(args, "seed", None)
    if number is not None and not 0 <= number < 1 << 63:
        problems.add(f"--seed must be a whole number from 0 to 2**63 - 1, not {number}")
    problems.of(find_process, args.device)


def network_file(args: argparse.Namespace, text: str) -> None:
    """ValueError unless a network can be written there, over nothing but a network."""
    output_file(text)
    path = Path(text)
    for option, given in _inputs(args):
        if _same(path, given):
            raise ValueError(
                f"--out must be another file than {option}: {given} would be written over"
            )
    if path.exists() and path.stat().st_size and not _is_network(path):
        raise ValueError(
            f"--out: {path} exists and is no network file of ours; delete it, or name another file"
        )


def _inputs(args: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """The files and folders that a command line names, with their options."""
    for name in ("weights", "run", "train", "test"):
        value = getattr(args, name, None)
        for text in [value] if isinstance(value, str) else value or []:
            yield f"--{name}", Path(text)
    for name in ("model", "data_module"):
        if text := getattr(args, name, None):
            yield f"--{name.replace('_', '-')}", Path(text.rpartition(":")[0] or text)
    if ":" in (text := getattr(args, "recipe", None) or ""):
        yield "the recipe", Path(text.rpartition(":")[0])


def _same(one: Path, two: Path) -> bool:
    return one.resolve() == two.resolve() or (one.exists() and two.exists() and one.samefile(two))


def _is_network(path: Path) -> bool:
    """Whether a file is one of ours, of any version: a .safetensors file with our name in its
    header."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return b'"polyrhythm"' in file.read(min(size, HEADER))


def output_file(text: str) -> None:
    """ValueError unless a file can be written there; a folder that is missing will be made."""
    path = Path(text)
    try:
        if path.is_dir():
            raise ValueError(f"--out must be a file, but {path} is a folder; name a file in it")
        if path.exists() and not path.is_file():
            raise ValueError(f"--out must be a file, but {path} is something else")
        above = _nearest_folder(path.parent)
        _try(above / f".{path.name}.{os.getpid()}.part")  # as it will be written
    except OSError as error:
        raise ValueError(f"--out: {_short(path)} cannot be written: {reason(error)}") from None


def run_folder(text: str) -> None:
    """ValueError unless a run can be kept there."""
    path = Path(text)
    try:
        if path.exists() and not path.is_dir():
            raise ValueError(f"--run must be a folder, but {path} is a file")
        _try(_nearest_folder(path) / f".{os.getpid()}.part")
    except OSError as error:
        raise ValueError(f"--run: {_short(path)} cannot be written: {reason(error)}") from None


def _nearest_folder(path: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    while not path.exists():
        path.with_name(f"{path.name}x").exists()  # a name that is too long is told by the system
        path = path.parent
    if not path.is_dir():
        raise NotADirectoryError(20, f"{path} is a file, not a folder")
    return path


def _try(file: Path) -> None:
    """Write a file for a moment."""
    try:
        file.touch(exist_ok=False)
    finally:
        file.unlink(missing_ok=True)


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 120 else f"{text[:60]}...{text[-40:]}"
