"""What waits at a layer's output: groups of fired neurons on their way to becoming events."""

from typing import Any

from amaranth.hdl import Cat
from amaranth.lib import data

from polyrhythm.hw.lib.bits import bits_for, more_than
from polyrhythm.hw.stream.event import profile_field
from polyrhythm.sw.plan.layout import Layout


class Fired(data.StructLayout):
    """Who fired in a swept group.

    fire      a bit for each lane
    last      it is the tick's last group; closing: in the frame's last tick
    position  where the group stands (absent where words come in the order of their neurons)
    profile   the frame's (absent where there is one)
    """

    def __init__(self, lanes: int, position: data.StructLayout | None = None, profiles: int = 1):
        placed = {"position": position} if position else {}
        told = profile_field(profiles)
        super().__init__({"fire": lanes, "last": 1, "closing": 1, **placed, **told})


class FiredWord(data.StructLayout):
    """A swept group, and what each lane says beside that it fired (absent without `value_bits`)."""

    def __init__(
        self,
        lanes: int,
        value_bits: int = 0,
        position: data.StructLayout | None = None,
        profiles: int = 1,
    ):
        values = {"values": data.ArrayLayout(value_bits, lanes)} if value_bits else {}
        super().__init__({"fired": Fired(lanes, position, profiles), **values})


class WaitingWord(data.StructLayout):
    """A swept group as it waits, without its values.

    some, single  in which blocks of lanes somebody fired; in which at most one did
    lone          at most one block has somebody who fired
    """

    def __init__(
        self,
        layout: Layout,
        block: int,
        position: data.StructLayout | None = None,
        profiles: int = 1,
    ):
        self.layout, self.blocks, self.position = layout, layout.blocks(block), position
        self.profiles = profiles
        blocks, placed = len(self.blocks), {"position": position} if position else {}
        super().__init__(
            {
                "fire": layout.lanes,
                "some": blocks,
                "single": blocks,
                "lone": 1,
                "last": 1,
                "closing": 1,
                **placed,
                **profile_field(profiles),
            }
        )


def describe(word: data.View, fired: data.View) -> list[Any]:
    """Fill in a `WaitingWord` from its `Fired`."""
    blocks = [fired.fire[lanes.start : lanes.stop] for lanes in word.shape().blocks]
    some = Cat(block.any() for block in blocks)
    told = [field for field in ("position", "profile") if field in word.shape().members]
    return [
        word.fire.eq(fired.fire),
        word.some.eq(some),
        word.single.eq(Cat(~more_than(block, 1) for block in blocks)),
        word.lone.eq(~more_than(some, 1)),
        word.last.eq(fired.last),
        word.closing.eq(fired.closing),
        *(word[field].eq(fired[field]) for field in told),
    ]


class Choice(data.StructLayout):
    """A block of a word: who fired in it, and where it stands.

    fire, any, single  who fired, any, at most one
    base + offset      address of its first lane
    chosen             the block, one hot
    final              the word's last block; last, closing: as of the word, for the final block
    speaks             there is anything to send
    profile            as of the word
    """

    def __init__(self, word: WaitingWord, block: int):
        address = bits_for(word.layout.target.address_count - 1)
        super().__init__(
            {
                "fire": block,
                "any": 1,
                "single": 1,
                "base": address,
                "offset": address,
                "chosen": len(word.blocks),
                "final": 1,
                "last": 1,
                "closing": 1,
                "speaks": 1,
                **profile_field(word.profiles),
            }
        )
