"""compare --executor board: a test set through the golden model and through a board, and every
class and logit in which they differ; hidden layers do not leave a board."""

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from polyrhythm.cli.comparison import Comparison, Executor
from polyrhythm.cli.executors import is_simulated, open_board
from polyrhythm.cli.report import FAILED, OK, Answer, average, percent, spread, table

if TYPE_CHECKING:
    import numpy as np

    from polyrhythm.boards.driver.device import Device
    from polyrhythm.sw.network import Network

SLICE = 256  # frames that are held against golden at a time
SHOWN_BAUD = 3_000_000  # at which the link is told by arithmetic
BITS = 10  # of a byte on the line: start, eight, stop


def compare_board(
    network: "Network",
    inputs: "np.ndarray",
    labels: "np.ndarray | None",
    hardware: dict[str, Any],
    port: str,
    dataset: str,
) -> Answer:
    """Compare over frames; 0 differences is exit code 0."""
    with open_board(port, network, hardware) as device:
        task = BoardComparison(network, inputs, labels, False, hardware, device=device)
        for start, end in task.slices(SLICE):
            task.slice(task.executors(), start, end)
        identity, traffic = device.identity, device.traffic
    report = collect(task, dataset) | {
        "board": {"port": port, "version": identity.version, "clock_hz": identity.clock_hz},
        "link": link(task, traffic, identity.clock_hz, device),
    }
    return Answer(report, describe(report), FAILED if report["first_difference"] else OK)


@dataclass
class BoardComparison(Comparison):
    """Golden model and board over the same frames."""

    device: "Device | None" = field(default=None)

    def executors(self) -> dict[str, Executor]:
        """Golden first."""
        from polyrhythm.sw import golden

        assert self.device is not None
        return {"golden": partial(golden.run, self.network), "board": self.device.run}


def collect(task: BoardComparison, dataset: str) -> dict[str, Any]:
    """What was found, as JSON."""
    import numpy as np

    frames, board = len(task.inputs), task.tallies["board"]
    right = {name: tally.right / frames for name, tally in task.tallies.items()}
    told = {what: board.differences[what] for what in ("predictions", "logits")}
    return {
        "network": task.network.name,
        "digest": task.network.digest,
        "dataset": dataset,
        "frames": frames,
        "accuracy": dict.fromkeys(right) if task.labels is None else right,
        "differences": {"board": told},
        "first_difference": task.first_difference,
        "cycles": spread(np.concatenate(board.cycles)),
        "seconds": {name: round(tally.seconds, 2) for name, tally in task.tallies.items()},
    }


def link(task: BoardComparison, traffic: Any, clock_hz: int, device: "Device") -> dict[str, Any]:
    """What went over the link, and how many frames a second that is.

    Of a real board they were measured, with all that the host does; of a simulated one its own
    clocks are counted, from the first byte to the last. `at_baud` is arithmetic: both directions at
    once, no pause between bytes.
    """
    frames = len(task.inputs)
    most = max(traffic.sent, traffic.received) / frames
    told: dict[str, Any] = {
        "sent_bytes": traffic.sent,
        "received_bytes": traffic.received,
        "repeated_frames": traffic.repeated,
        "dropped": traffic.dropped,
        "at_baud": {"baud": SHOWN_BAUD, "frames_per_s": round(SHOWN_BAUD / BITS / most, 1)},
    }
    if device.figures is None:
        return told | {"frames_per_s": round(frames / task.tallies["board"].seconds, 1)}
    clocks = device.figures.last - device.figures.first
    return told | {
        "simulated_clocks": clocks,
        "simulated_baud": device.baud,
        "simulated_frames_per_s": round(frames * clock_hz / clocks, 1),
    }


def describe(report: dict[str, Any]) -> str:
    """The tables."""
    frames, found, board = (report[key] for key in ("frames", "differences", "board"))
    rows = [
        (title, percent(report["accuracy"][name], frames), *found.get(name, {}).values())
        for title, name in (("integers, golden", "golden"), ("board", "board"))
    ]
    rows = [(*row, *[None] * (4 - len(row))) for row in rows]
    cycles, first = report["cycles"], report["first_difference"]
    port = board["port"]
    where = "a simulated board" if is_simulated(port) else f"the board on {port}"
    return "\n".join([
        f"{report['network']} on {report['dataset']}, {frames:,} test images, and {where}, "
        f"{board['clock_hz'] / 1e6:g} MHz; differences are from golden",
        "", table(rows, ("model", "accuracy", "predictions", "logits")),
        "", table([("on the board", average(cycles["mean"]), cycles["p95"], cycles["max"])],
                  ("cycles per image", "mean", "p95", "max")),
        "", *link_lines(report, frames),
        "", f"first difference: {first}" if first else "no difference: every class and every logit "
                                                       "is the same",
    ])  # fmt: skip


def link_lines(report: dict[str, Any], frames: int) -> list[str]:
    """What the link gives."""
    told = report["link"]
    lines = [
        f"link: {told['sent_bytes'] / frames:.1f} bytes to the board for each frame, "
        f"{told['received_bytes'] / frames:.1f} back; sent again: {told['repeated_frames']} frames"
    ]
    if "frames_per_s" in told:
        lines.append(f"measured here: {told['frames_per_s']:,.0f} frames a second")
    else:
        lines.append(
            f"simulated: {told['simulated_clocks'] / frames:,.0f} clocks for each frame, "
            f"{told['simulated_frames_per_s']:,.0f} frames a second at this clock and "
            f"{told['simulated_baud'] / 1e6:g} Mbaud"
        )
    at = told["at_baud"]
    lines.append(
        f"by arithmetic: at most {at['frames_per_s']:,.0f} frames a second at "
        f"{at['baud'] / 1e6:g} Mbaud"
    )
    return lines
