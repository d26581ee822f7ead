"""The vectors of a testbench as hex files, one word a line.

words    what goes in, each word of a frame: i_address, i_count, i_tick, i_end from bit 0 up,
         as far as the ports exist
answers  what must come out, one line for each frame: o_logits from bit 0 up, o_class above
counts   of each hidden layer the spikes of every neuron, frame by frame, by its number
"""

from collections.abc import Iterable

import numpy as np

from polyrhythm.sim import design as designs
from polyrhythm.sim.design import Design
from polyrhythm.sim.testbench.vectors import Vectors

COUNT_BITS = 32  # of a neuron's spikes in a frame, two's complement


def input_fields(design: Design) -> list[tuple[str, int]]:
    """Ports that a word has a field for, with their bits, from bit 0 up."""
    names = ("i_address", "i_count", "i_tick", "i_end")
    return [(name, design.bits[name]) for name in names if name in design.bits]


def answer_bits(design: Design) -> int:
    """Width of a line of `answers`."""
    return design.bits["o_logits"] + design.bits.get("o_class", 0)


def hex_files(design: Design, vectors: Vectors) -> dict[str, str]:
    """All hex files of a testbench by name."""
    stem = f"{design.top}_tb"
    files = {
        f"{stem}.words.hex": lines(
            _words(design, vectors), sum(n for _, n in input_fields(design))
        ),
        f"{stem}.answers.hex": lines(_answers(design, vectors), answer_bits(design)),
    }
    for k, tap in enumerate(design.hidden):
        counts = vectors.golden.counts[tap.layer].reshape(-1).tolist()  # (B * N,)
        files[f"{stem}.counts{k}.hex"] = lines(counts, COUNT_BITS)
    return files


def _words(design: Design, vectors: Vectors) -> Iterable[int]:
    stream, _ = designs.words(vectors.counts, design.wire)
    fields = {f"i_{name}": values for name, values in designs.unpack(stream).items()}
    for i in range(len(stream)):
        word, low = 0, 0
        for name, bits in input_fields(design):
            word |= int(fields[name][i]) << low
            low += bits
        yield word


def _answers(design: Design, vectors: Vectors) -> Iterable[int]:
    bits, trace = design.interface["output"]["logit_bits"], vectors.golden
    for answer, logits in zip(trace.answer.tolist(), trace.logits.tolist(), strict=True):
        packed = answer if "o_class" in design.bits else 0
        for logit in reversed(logits):
            packed = packed << bits | logit & (1 << bits) - 1
        yield packed


def lines(values: Iterable[int], bits: int) -> str:
    """A hex file of words of so many bits, negative ones in two's complement."""
    digits, mask = -(-bits // 4), (1 << bits) - 1
    return "".join(f"{value & mask:0{digits}x}\n" for value in values)


def total(vectors: Vectors) -> int:
    """Words that go in."""
    B, T = vectors.counts.shape[:2]
    return int(np.count_nonzero(vectors.counts)) + B * T
