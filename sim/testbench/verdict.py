"""How a Verilog testbench counts differences and ends."""

FAILURES = 10  # differences after which it ends


def verdict(top: str, right: str) -> str:
    """The tasks `fail`, called for each difference, and `finish`, which tells the verdict.

    They want the integers `failures` and `cycle`, and FRAMES. right: what holds when nothing
    differs.
    """
    return f"""\
    task fail;
        begin
            failures = failures + 1;
            if (failures == {FAILURES}) finish;
        end
    endtask
    task finish;
        begin
            if (failures == 0) begin
                $display("PASS: {top}, %0d frames, %0d cycles: %0s", FRAMES, cycle,
                         "{right}");
                $finish;
            end else begin
                $display("FAIL: {top}, %0d differences in %0d cycles", failures, cycle);
                $fatal(1);  // for the simulator's exit code
            end
        end
    endtask"""
