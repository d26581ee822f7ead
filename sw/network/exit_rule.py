"""Rules of early exit: when the answer of a time_stepped network is given before its last tick."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from polyrhythm.sw.lib import check
from polyrhythm.sw.lib.check import MAX_SUM, NetworkError


@dataclass(frozen=True)
class MarginExit:
    """Leave when the best class leads the second by thresholds[t] or more, one per readout tick."""

    kind: ClassVar[str] = "margin"
    thresholds: tuple[int, ...]

    def __post_init__(self) -> None:
        if isinstance(self.thresholds, list):  # what is no sequence is refused by Network
            object.__setattr__(self, "thresholds", tuple(self.thresholds))


@dataclass(frozen=True)
class SoftmaxExit:
    """Leave when the softmax of scale * sums gives the best class 1 - epsilon or more."""

    kind: ClassVar[str] = "softmax"
    epsilon: float
    scale: float


@dataclass(frozen=True)
class SafeExit:
    """Leave when no continuation can change the best class."""

    kind: ClassVar[str] = "safe"


Exit = MarginExit | SoftmaxExit | SafeExit
RULES: dict[str, type[Exit]] = {rule.kind: rule for rule in (MarginExit, SoftmaxExit, SafeExit)}


def entry(rule: Exit | None) -> dict[str, Any] | None:
    """Give the rule as the file format and reports write it."""
    if rule is None:
        return None
    told = {"kind": rule.kind} | dataclasses.asdict(rule)
    if isinstance(told.get("thresholds"), tuple):
        told["thresholds"] = list(told["thresholds"])
    return told


def checked(given: Any, schedule: str, ticks: int) -> Exit | None:
    """Check a rule, or a file's entry of one, and give it as a value in Python's own numbers.

    ticks: of the readout. Raises NetworkError or TypeError where it is no rule of such a network.
    """
    if given is None:
        return None
    told = entry(given) if isinstance(given, Exit) else given
    if not isinstance(told, dict):
        raise TypeError(f"exit must be a dict or null, not {type(told).__name__}")
    if schedule != "time_stepped":
        raise NetworkError(
            f"exit must be null in a {schedule} network: only time_stepped readouts have ticks"
        )
    _check_keys(told)
    if told["kind"] == "margin":
        _check_margin(told["thresholds"], ticks)
        return MarginExit(tuple(int(value) for value in told["thresholds"]))
    if told["kind"] == "softmax":
        check.real("exit: epsilon", told["epsilon"], 1.0)
        check.real("exit: scale", told["scale"], math.inf)
        return SoftmaxExit(float(told["epsilon"]), float(told["scale"]))
    return SafeExit()


def _check_keys(told: dict[str, Any]) -> None:
    check.choice("exit: kind", told.get("kind"), tuple(RULES))
    wanted = {field.name for field in dataclasses.fields(RULES[told["kind"]])} | {"kind"}
    for key in told:
        if key not in wanted:
            raise NetworkError(f"exit: unknown key {key!r}; {check.nearest(str(key), wanted)}")
    for key in sorted(wanted - set(told)):
        raise NetworkError(f"exit: kind {told['kind']!r} must have {key!r}")


def _check_margin(thresholds: Any, ticks: int) -> None:
    if not isinstance(thresholds, list | tuple):
        raise TypeError(f"exit: thresholds must be a list of integers, not {thresholds!r}")
    if len(thresholds) != ticks:
        raise NetworkError(
            f"exit: thresholds must be {ticks}, one per readout tick, not {len(thresholds)}"
        )
    for t, value in enumerate(thresholds):
        check.integer(f"exit: thresholds[{t}]", value, -MAX_SUM, MAX_SUM)
