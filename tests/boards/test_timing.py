"""boards.flow.timing: a clock that was judged at another frequency is told, and paths are told in
words."""

from typing import Any

import pytest

from polyrhythm.boards.flow.timing import cell_in_words, checked, path_in_words


def report(achieved: float = 50.0, constraint: float = 48.003) -> dict[str, Any]:
    return {"fmax": {"clk": {"achieved": achieved, "constraint": constraint}}, "critical_paths": []}


def test_a_clock_is_met_or_not() -> None:
    assert [clock.met for clock in checked(report(50.0), 48.0)] == [True]
    assert [clock.met for clock in checked(report(47.9), 48.0)] == [False]


@pytest.mark.parametrize("constraint", [12.0, 47.9, 96.0])
def test_a_lost_constraint_is_told(constraint: float) -> None:
    text = f"^clock clk must be judged at 48 MHz, but the placer's report says {constraint:g} MHz$"
    with pytest.raises(ValueError, match=text):
        checked(report(200.0, constraint), 48.0)


def test_a_report_without_a_clock_is_told() -> None:
    with pytest.raises(
        ValueError, match="^the placer's report must name the design's clock, but it names none$"
    ):
        checked({"fmax": {}, "critical_paths": []}, 48.0)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("endpoint.accelerator.core.layer0_fc1.charge.fc1_weight.memory.0.0", "memory charge.fc1_weight.memory of layer fc1"),
        ("endpoint.accelerator.layer1_out.sum_TRELLIS_FF_Q_3", "register sum of layer out"),
        ("endpoint.accelerator.layer1_out.sum_SB_DFFESR_Q_3_D_SB_LUT4_O_LC", "register sum of layer out"),
        ("endpoint.accelerator.queue1.level_DFFR_Q", "register queue1.level between the layers"),
        ("endpoint.receiver.crc_SB_DFFE_Q_LC", "register receiver.crc of the link"),
        ("held_SB_DFF_Q_LC", "register held of the board"),
    ],
)  # fmt: skip
def test_a_cell_is_told_by_its_layer(cell: str, words: str) -> None:
    assert cell_in_words(cell) == words


def hop(kind: str, delay: float, begin: str, end: str) -> dict[str, Any]:
    return {"type": kind, "delay": delay, "from": {"cell": begin}, "to": {"cell": end}}


def test_the_longest_path_is_told_with_where_its_time_goes() -> None:
    memory, register = (
        "endpoint.accelerator.layer0_fc1.weight.0.0",
        "endpoint.accelerator.layer0_fc1.sum_TRELLIS_FF_Q",
    )
    slow = [
        hop("clk-to-q", 5.6, memory, memory),
        hop("routing", 1.0, memory, "a"),
        hop("logic", 0.3, "a", "a"),
        hop("logic", 0.06, "a", "a"),
        hop("routing", 0.5, "a", register),
        hop("setup", 0.1, register, register),
    ]
    fast = [hop("clk-to-q", 0.5, register, register), hop("setup", 0.1, register, register)]
    across = [hop("clk-to-q", 9.0, register, register), hop("setup", 0.1, register, register)]
    told = {
        "critical_paths": [
            {"from": "posedge clk", "to": "posedge clk", "path": fast},
            {"from": "posedge clk", "to": "posedge clk", "path": slow},
            {"from": "<async>", "to": "posedge clk", "path": across},
        ]
    }
    assert path_in_words(told) == (
        "7.6 ns from memory weight of layer fc1 to register sum of layer fc1: leaving it 5.6 ns, 1 stages of logic 0.4 ns, wires 1.5 ns, setup 0.1 ns"
    )
    assert path_in_words({"critical_paths": []}) == "there is no path from register to register"
