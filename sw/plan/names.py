"""Names for Verilog and for files, made of a network's own names, which may hold anything."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyrhythm.sw.network import Network

# The reserved words of SystemVerilog (IEEE 1800-2017), which holds those of Verilog; behind them
# what Icarus reserves besides, the package and the classes that are there in every SystemVerilog,
# and what Verilator calls its own top.
_WORDS = """
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic
    before begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle
    checker class clocking cmos config const constraint context continue cover covergroup coverpoint
    cross deassign default defparam design disable dist do edge else end endcase endchecker endclass
    endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage
    endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event
    eventually expect export extends extern final first_match for force foreach forever fork
    forkjoin function generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins
    implements implies import incdir include initial inout input inside instance int integer
    interconnect interface intersect join join_any join_none large let liblist library local
    localparam logic longint macromodule matches medium modport module nand negedge nettype new
    nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter pmos
    posedge primitive priority program property protected pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime
    ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always
    s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
    signed small soft solve specify specparam static string strong strong0 strong1 struct super
    supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
    timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union
    unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait
    wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor bool wone wreal
    std mailbox process semaphore
    TOP
"""
RESERVED = frozenset(_WORDS.split())


# How the ports of every accelerator are called, see `the top module`: tools take a module of such a
# name for its own port.
PORT = re.compile(
    r"clk|rst|error|i_(valid|ready|address|count|tick|end)|o_(valid|ready|class|logits)|live_logits"
    r"|status_(address|order|count|tick_missing|end_missing|end_late)|tap\d+_(valid|address|count|negative|tick|end|logits)"
    r"|aclk|aresetn|[sm]_axis_t(data|valid|ready|last)|s_axi_\w+"
)
# Characters of a top's name: files are called by it and by a layer's name, and a file's name ends
# at 255
LONGEST = 120


def identifier(name: str) -> str:
    """A Verilog identifier made of `name`: what is no letter, digit or underscore of ASCII becomes
    an underscore.

    It begins with `net_` where it would begin with a digit, be a reserved word, or have no letter
    left.
    """
    word = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return word if re.match(r"_*[A-Za-z]|_+[0-9]", word) and word not in RESERVED else f"net_{word}"


def told_apart(name: str) -> bool:
    """Whether `name` can be read off its identifier: at most dots, dashes and spaces have become
    underscores."""
    return re.sub(r"[-. ]", "_", name) == top_name(name)


def top_name(name: str) -> str:
    """The top module's name of a network called `name`: an identifier, behind `net_` where a port
    is called so.

    Raises ValueError for a name that is too long for a file's.
    """
    word = identifier(name)
    word = f"net_{word}" if PORT.fullmatch(word) else word
    if len(word) > LONGEST:
        raise ValueError(
            f"the top module's name must have at most {LONGEST} characters, not the {len(word)} of "
            f"{word!r}; choose one with --name"
        )
    return word


def check_top(name: str) -> str:
    """`name` itself, which somebody has chosen for the top module; ValueError unless Verilog takes
    it as it stands."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(
            "the top module's name must be a Verilog identifier, letters, digits and underscores "
            "of ASCII, no digit first, "
            f"not {name!r}"
        )
    if (word := top_name(name)) != name:
        what = (
            "a port of the module"
            if PORT.fullmatch(name)
            else "a reserved word of SystemVerilog or Verilator"
        )
        raise ValueError(
            f"the top module's name must not be {name!r}, which is {what}; {word!r} would do"
        )
    return name


def stems(network: "Network") -> list[str]:
    """How each layer's files and modules begin: its name as an identifier, with its index where any
    two would be the same, also to a file system that takes capitals for small letters."""
    words = [identifier(layer.name) for layer in network.layers]
    alone = len({word.lower() for word in words}) == len(words)
    return words if alone else [f"{word}_{i}" for i, word in enumerate(words)]
