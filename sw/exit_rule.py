"""What must hold for a network's rule of early exit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from polyrhythm.sw import check
from polyrhythm.sw.check import MAX_SUM, NetworkError

if TYPE_CHECKING:
    from polyrhythm.sw.network import Network


def check_exit(network: Network) -> None:
    """A rule of a time_stepped network, with the numbers that its kind needs; NetworkError or TypeError where it is not one."""
    rule = network.exit
    if rule is None:
        return
    if not isinstance(rule, dict):
        raise TypeError(f"exit must be a dict or null, not {type(rule).__name__}")
    if network.schedule != "time_stepped":
        raise NetworkError(f"exit must be null in a {network.schedule} network: only time_stepped readouts have ticks")
    fields = {"margin": {"thresholds"}, "softmax": {"epsilon", "scale"}, "safe": set()}
    check.choice("exit: kind", rule.get("kind"), tuple(fields))
    wanted = fields[rule["kind"]] | {"kind"}
    for key in rule:
        if key not in wanted:
            raise NetworkError(f"exit: unknown key {key!r}; {check.nearest(str(key), wanted)}")
    for key in sorted(wanted - set(rule)):
        raise NetworkError(f"exit: kind {rule['kind']!r} must have {key!r}")
    if rule["kind"] == "margin":
        _check_margin(rule["thresholds"], network.layers[-1].T)
    if rule["kind"] == "softmax":
        check.real("exit: epsilon", rule["epsilon"], 1.0)
        check.real("exit: scale", rule["scale"], math.inf)


def plain_exit(rule: dict[str, Any] | None) -> dict[str, Any] | None:
    """Copy a checked exit rule, in Python's own numbers."""
    if rule is None:
        return None
    plain = {"kind": rule["kind"]}
    plain |= {key: float(rule[key]) for key in ("epsilon", "scale") if key in rule}
    return plain | ({"thresholds": [int(value) for value in rule["thresholds"]]} if "thresholds" in rule else {})


def _check_margin(thresholds: Any, ticks: int) -> None:
    if not isinstance(thresholds, list | tuple):
        raise TypeError(f"exit: thresholds must be a list of integers, not {thresholds!r}")
    if len(thresholds) != ticks:
        raise NetworkError(f"exit: thresholds must be {ticks}, one per readout tick, not {len(thresholds)}")
    for t, value in enumerate(thresholds):
        check.integer(f"exit: thresholds[{t}]", value, -MAX_SUM, MAX_SUM)
