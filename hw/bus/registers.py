"""The register map as rows of data: gateware, registers.json, the C header and the page of the
docs are made of these.

Registers have 32 bits and addresses in bytes, multiples of 4 below 2^16. What has fewer bits reads
as zero above them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Access = Literal["constant", "status", "control"]


@dataclass(frozen=True)
class Register:
    """One register.

    address  in bytes
    access   constant: reads as `value`; status: reads what the gateware shows; control: reads and
             writes, `value` after a reset
    bits     that it has; those above read as 0
    """

    name: str
    address: int
    access: Access
    bits: int
    doc: str
    value: int = 0


def words_of(content: bytes) -> list[int]:
    """Bytes as words of 32 bits, the first byte lowest; zeros behind the last one."""
    whole = content + bytes(-len(content) % 4)
    return [int.from_bytes(whole[k : k + 4], "little") for k in range(0, len(whole), 4)]


def constants(name: str, address: int, content: bytes, doc: str) -> list[Register]:
    """Constant registers one behind the other that hold `content`."""
    words = words_of(content)
    return [
        Register(f"{name}{k}" if len(words) > 1 else name, address + 4 * k, "constant", 32, doc, w)
        for k, w in enumerate(words)
    ]


def checked(registers: Iterable[Register]) -> Sequence[Register]:
    """The rows by address. Raises ValueError for one that cannot be."""
    rows = sorted(registers, key=lambda row: row.address)
    for row in rows:
        if row.address % 4 or not 0 <= row.address < 1 << 16:
            raise ValueError(
                f"register {row.name}: the address must be a multiple of 4 below 65536, "
                f"not {row.address:#x}"
            )
        if not 1 <= row.bits <= 32 or row.value >> row.bits:
            raise ValueError(f"register {row.name}: {row.value} must fit its {row.bits} bits")
    for kind in ("name", "address"):
        seen = [getattr(row, kind) for row in rows]
        if len(set(seen)) < len(seen):
            raise ValueError(f"registers must differ in {kind}: {seen}")
    return rows
