"""Memories with a `read` and a `write` port, named here: Amaranth would take their names from the
Python code that asks for them, by the interpreter's own instructions, which differ from one version
of Python to the next.
"""

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import MemoryData
from amaranth.lib.memory import Memory, ReadPort, WritePort
from amaranth.utils import ceil_log2


def memory_of(
    shape: Any, depth: int, init: Iterable[int] = (), attrs: dict[str, Any] | None = None
) -> Memory:
    """`depth` words of `shape`; two where one is asked for, since Verilog has no address of no
    bits."""
    contents = MemoryData(shape=shape, depth=max(2, depth), init=init)
    contents.name = "memory"
    return Memory(contents, attrs=attrs)


def read_port(memory: Memory, domain: str = "sync") -> ReadPort:
    """A port that reads, as `Memory.read_port` makes it."""
    shape = ReadPort.Signature(addr_width=ceil_log2(memory.depth), shape=memory.shape)
    return ReadPort(shape, memory=memory, domain=domain, path=("read",))


def write_port(memory: Memory) -> WritePort:
    """A port that writes whole words, as `Memory.write_port` makes it."""
    shape = WritePort.Signature(addr_width=ceil_log2(memory.depth), shape=memory.shape)
    return WritePort(shape, memory=memory, domain="sync", path=("write",))
