"""The comparing half of a testbench in Verilog: of each answer, and of what each layer sends."""

from collections.abc import Iterator

from polyrhythm.sim.design import Design, Tap
from polyrhythm.sim.testbench import memories
from polyrhythm.sim.testbench.verdict import verdict
from polyrhythm.sw.plan.names import identifier


def checks(design: Design) -> Iterator[str]:
    """The lines behind the driver: every transfer is compared as it happens."""
    top = design.top
    answer = ["o_logits", *(["o_class"] if "o_class" in design.bits else [])]
    packed = f"{{{', '.join(reversed(answer))}}}"
    bits = memories.answer_bits(design)
    closed = [f"closed{k}" for k in range(len(design.hidden))]
    yield f"""
    integer failures = 0, cycle = 0, moved = 0, answered = 0, k, n;
    reg signed [31:0] count;
    reg signed [LOGIT_BITS-1:0] mine, theirs;
    reg [{bits - 1}:0] right, got, held;
    reg waits = 1'b0;
    integer {", ".join([*(f"{name} = 0" for name in closed), "settled = 0"])};
{verdict(top, "every class, logit and spike count is the golden model's")}"""
    yield "    initial begin"
    yield from (
        f"        for (n = 0; n < {tap.size}; n = n + 1) seen{k}[n] = 0;"
        for k, tap in enumerate(design.hidden)
    )
    yield """\
        repeat (4) @(posedge clk);
        rst <= 1'b0;
    end
    always @(posedge clk) if (!rst) begin
        cycle = cycle + 1;
        if (i_valid && i_ready) moved = cycle;
        if (error !== 1'b0) begin
            $display("cycle %0d: error is %b, but the input is well-formed", cycle, error);
            fail;
        end"""
    for k, tap in enumerate(design.hidden):
        yield from _tap(design, k, tap)
    yield f"        got = {packed};"
    yield from _answers(design)
    yield "        if (answered == FRAMES) settled = settled + 1;"
    yield "        if (settled > SETTLE) begin"
    for k, tap in enumerate(design.hidden):
        yield f"""\
            if (closed{k} != FRAMES) begin
                $display("layer {identifier(tap.layer)}: closed %0d frames, not %0d",
                         closed{k}, FRAMES);
                fail;
            end"""
    yield """\
            finish;
        end else if (cycle - moved > QUIET) begin
            $display("cycle %0d: nothing moves; %0d of %0d words sent, %0d of %0d answers",
                     cycle, sent, WORDS, answered, FRAMES);
            fail;
            finish;
        end
    end"""


def _tap(design: Design, k: int, tap: Tap) -> Iterator[str]:
    """Adds up what a layer sends and compares when its frame ends."""
    ports = {port: f"tap{k}_{port}" for port in ("address", "count", "negative")}
    has = {port: name in design.bits for port, name in ports.items()}
    amount = f"$signed({{1'b0, {ports['count']}}})" if has["count"] else "1"
    if has["negative"]:
        amount = f"({ports['negative']} ? -({amount}) : {amount})"
    legal, neuron = _neuron(tap, ports["address"], design.bits.get(ports["address"], 0))
    layer = identifier(tap.layer)
    yield f"""\
        if (tap{k}_valid !== 1'b0) begin
            moved = cycle;
            if (closed{k} >= FRAMES) begin
                $display("cycle %0d, layer {layer}: sends more than %0d frames", cycle, FRAMES);
                fail;
            end else if (tap{k}_end) begin
                for (n = 0; n < {tap.size}; n = n + 1) begin
                    count = counts{k}[closed{k} * {tap.size} + n];
                    if (seen{k}[n] !== count) begin
                        $display("frame %0d, layer {layer}, neuron %0d: expected %0d, got %0d",
                                 closed{k}, n, count, seen{k}[n]);
                        fail;
                    end
                    seen{k}[n] = 0;
                end
                closed{k} = closed{k} + 1;
            end else if (!tap{k}_tick) begin
                n = {neuron};
                if ({legal}) seen{k}[n] = seen{k}[n] + {amount};
                else begin
                    $display("frame %0d, layer {layer}: no neuron has the address %0d",
                             closed{k}, {ports["address"] if has["address"] else "0"});
                    fail;
                end
            end
        end"""


def _neuron(tap: Tap, port: str, bits: int) -> tuple[str, str]:
    """Whether an address names a neuron (`n` holds its number then), and the number: see
    `AddressMap`."""
    if bits == 0:
        return "1'b1", "0"
    (channels, rows, columns), low = tap.source.shape, tap.source.column_bits
    high, parts = tap.source.channel_low, []
    for size, first, last in ((channels, high, bits), (rows, low, high), (columns, 0, low)):
        parts.append((f"{port}[{last - 1}:{first}]" if last > first else "0", size))
    (channel, _), (row, _), (column, _) = parts
    if high == 0:
        return f"n < {tap.size}", port
    legal = f"{row} < {rows} && {column} < {columns} && n < {tap.size}"
    return legal, f"({channel} * {rows} + {row}) * {columns} + {column}"


def _answers(design: Design) -> Iterator[str]:
    base = design.bits["o_logits"]
    yield """\
        if (waits && (o_valid !== 1'b1 || got !== held)) begin
            $display("frame %0d: the answer changed while it waited for o_ready", answered);
            fail;
        end
        waits = o_valid && !o_ready;
        held = got;
        if (o_valid !== 1'b0 && o_ready) begin
            moved = cycle;
            if (answered >= FRAMES) begin
                $display("cycle %0d: more than %0d answers", cycle, FRAMES);
                fail;
            end else begin
                right = answers[answered];
                for (k = 0; k < CLASSES; k = k + 1) begin
                    mine = right[k * LOGIT_BITS +: LOGIT_BITS];
                    theirs = got[k * LOGIT_BITS +: LOGIT_BITS];
                    if (theirs !== mine) begin
                        $display("frame %0d, logit %0d: expected %0d, got %0d",
                                 answered, k, mine, theirs);
                        fail;
                    end
                end"""
    if "o_class" in design.bits:
        part = f"[{base + design.bits['o_class'] - 1}:{base}]"
        yield f"""\
                if (got{part} !== right{part}) begin
                    $display("frame %0d, class: expected %0d, got %0d",
                             answered, right{part}, got{part});
                    fail;
                end"""
    yield """\
            end
            answered = answered + 1;
        end"""
