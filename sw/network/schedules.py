"""The same network on another schedule."""

from dataclasses import replace

from polyrhythm.sw.network import Network, NetworkError


def to_event_driven(network: Network, name: str | None = None) -> Network:
    """A two_phase network as an event_driven one of signed neurons: the same weights, counts and
    logits, and no phases.

    Its neurons answer each event at once and take back what they said too early, so that they come
    to rest on the two_phase counts. name: the new network's (that of the old one and "-events").
    NetworkError for networks of other schedules, whose counts hang on ticks.
    """
    if network.schedule != "two_phase":
        raise NetworkError(
            f"{network.name}: schedule must be two_phase, whose counts no order of events changes, "
            f"not {network.schedule}; "
            "train a two_phase recipe of the same layers"
        )
    layers = tuple(replace(layer, neuron="signed") for layer in network.layers)
    return replace(
        network, name=name or f"{network.name}-events", schedule="event_driven", layers=layers
    )
