"""What the gateware cannot build: every reason, before anything is made."""

import itertools
from collections.abc import Sequence

from polyrhythm.sw.network import Network


def refusals(network: Network) -> list[str]:
    """Why the gateware cannot build `network`: every reason, with its layer and what to do; none
    where it can."""
    found = []
    if network.exit is not None:
        found.append(
            f"{network.name}: the gateware has no early exit, but exit is {network.exit.kind!r}; "
            "save the network with exit null"
        )
    if network.schedule != "time_stepped" and network.input.T != 1:
        found.append(
            f"{network.name}: a {network.schedule} input has one source tick, not {network.input.T}"
        )
    if network.schedule == "event_driven":
        found += _disorders(network)
    return found + _additions(network)


def check_buildable(network: Network) -> None:
    """Raise ValueError, with every layer and reason, where the gateware cannot build `network`."""
    if found := refusals(network):
        raise ValueError("\n".join(found))


def check_profiles(network: Network, profiles: Sequence[str | None], shape: object) -> None:
    """Raise ValueError where no circuit has these working points together."""
    if not profiles or len(set(profiles)) < len(profiles):
        raise ValueError(f"profiles must be different ones, at least one, not {list(profiles)}")
    if len(profiles) > 1 and network.schedule != "time_stepped":
        raise ValueError(
            f"{network.name}: a circuit of several profiles must be time_stepped, not "
            f"{network.schedule}; choose one profile"
        )
    if len(profiles) > 1 and shape is not None:
        raise ValueError(
            f"{network.name}: a circuit whose contents are swapped has one profile, not "
            f"{len(profiles)}; choose one"
        )


def _disorders(network: Network) -> list[str]:
    """Unsigned neurons follow the order of their events, which is the contract's only where all
    before them keep it."""
    return [
        f"layer {i} ({layer.name}): unsigned neurons need their events in order, but the signed "
        f"ones of layer {i - 1} ({before.name}) send theirs in any; make layer {i} signed, or "
        f"layer {i - 1} unsigned"
        for i, (before, layer) in enumerate(itertools.pairwise(network.hidden), 1)
        if (before.neuron, layer.neuron) == ("signed", "unsigned")
    ]


def _additions(network: Network) -> list[str]:
    return [
        f"layer {i} ({layer.name}): no accelerator adds the counts of an earlier layer "
        f"({layer.skip.source}); such networks run in torch and in the golden model"
        for i, layer in enumerate(network.layers)
        if layer.skip is not None
    ]
