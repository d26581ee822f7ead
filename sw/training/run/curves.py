"""Learning curves of a run: loss, accuracy, time steps, spikes and cycles of each epoch."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrhythm.sw.lib.atomic import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = list[dict[str, Any]]
PANELS = {
    "loss": "loss",
    "accuracy": "training accuracy [%]",
    "mean_T": "mean T",
    "spike_rate": "spikes per neuron\nand time step",
    "cycles": "cycles of a frame",
}
SHADES = ("#f1f1f1", "#ffffff")  # behind the stages, one after the other


def draw(rows: Rows, path: str | Path) -> None:
    """Write the curves of a log (rows of `sw.training.cost.measure.Epoch`) as SVG.

    Quantities that no row has are left out.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels = [key for key in PANELS if any(row[key] is not None for row in rows)]
    figure = Figure(figsize=(8, 1.7 * len(panels) + 0.6), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axis, key in zip(axes, panels, strict=True):
        _panel(axis, rows, key)
    for name, first, _ in _stages(rows):
        axes[0].annotate(
            name, (first - 0.4, 1.02), xycoords=("data", "axes fraction"), va="bottom", color="gray"
        )
    figure.suptitle(rows[0]["recipe"])
    axes[-1].set_xlabel("epoch")
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "curves"}):  # the same curves, the same file
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    write_whole(path, buffer.getvalue())


def _panel(axis: "Axes", rows: Rows, key: str) -> None:
    values = [
        float("nan") if row[key] is None else (100 if key == "accuracy" else 1) * row[key]
        for row in rows
    ]
    axis.plot(
        [row["epoch"] for row in rows], values, marker=".", label=f"at the end {_short(values[-1])}"
    )
    axis.set_ylabel(PANELS[key])
    axis.legend(loc="best", frameon=False)
    axis.grid(alpha=0.3)
    for number, (_, first, last) in enumerate(_stages(rows)):
        axis.axvspan(first - 0.5, last + 0.5, color=SHADES[number % 2], zorder=0)


def _stages(rows: Rows) -> list[tuple[str, int, int]]:
    """(name, first epoch, last epoch) of each stage."""
    found: list[tuple[str, int, int]] = []
    for row in rows:
        if found and found[-1][0] == row["stage"]:
            found[-1] = (*found[-1][:2], row["epoch"])
        else:
            found.append((row["stage"], row["epoch"], row["epoch"]))
    return found


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
