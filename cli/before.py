"""What can be told before a training begins: names, paths and numbers, everything that is wrong at once."""

import argparse
import math
import os
from pathlib import Path

from cli.errors import Problems

MOST = 1 << 16  # time steps, threads


def look_at_training(problems: Problems, args: argparse.Namespace, name: str) -> None:
    """Collect what is wrong with a training's name, files, device and numbers, as far as its verb has them."""
    from sw import check
    from sw.training.device import find_place

    problems.of(check.name, "name", name)
    problems.of(output_file, args.out or f"{name}.safetensors")
    if args.run:
        problems.of(run_folder, args.run)
    for option in ("lr", "trade", "target_cycles", "target_mean_T", "target_events"):
        value = getattr(args, option, None)
        least = 1.0 if option == "target_mean_T" else 0.0
        enough = value is None or (math.isfinite(value) and value >= least and (value > 0 or option == "trade"))
        if not enough:
            bound = "at least 1, for no layer has fewer time steps" if least else "at least 0" if option == "trade" else "above 0"
            problems.add(f"--{option.replace('_', '-')} must be a finite number {bound}, not {value:g}")
    for option in ("threads", "steps", "max_T"):
        value = getattr(args, option, None)
        if value is not None and not 1 <= value <= MOST:
            problems.add(f"--{option.replace('_', '-')} must be a whole number from 1 to {MOST}, not {value}")
    number = getattr(args, "seed", None)
    if number is not None and not 0 <= number < 1 << 63:
        problems.add(f"--seed must be a whole number from 0 to 2**63 - 1, not {number}")
    problems.of(find_place, args.device)


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
        raise ValueError(f"--out: {_short(path)} cannot be written: {(error.strerror or str(error)).lower()}") from None


def run_folder(text: str) -> None:
    """ValueError unless a run can be kept there."""
    path = Path(text)
    try:
        if path.exists() and not path.is_dir():
            raise ValueError(f"--run must be a folder, but {path} is a file")
        _try(_nearest_folder(path) / f".{os.getpid()}.part")
    except OSError as error:
        raise ValueError(f"--run: {_short(path)} cannot be written: {(error.strerror or str(error)).lower()}") from None


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
