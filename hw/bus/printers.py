"""A register map for others: as JSON, as a C header, and as a table of the docs."""

import json
import re
from collections.abc import Iterable

from polyrhythm.hw.bus.registers import Register, checked

FORMAT = 1  # of registers.json
ACCESS = {"constant": "read", "status": "read", "control": "read, write"}


def registers_json(registers: Iterable[Register]) -> str:
    """registers.json: every register with its address in bytes; of constants their value, of others
    that after a reset (status registers have none)."""
    rows = []
    for row in checked(registers):
        told = {"name": row.name, "address": row.address, "bits": row.bits, "access": row.access}
        value = {} if row.access == "status" else {"value": row.value}
        rows.append(told | value | {"doc": row.doc})
    return json.dumps({"format": FORMAT, "registers": rows}, indent=1) + "\n"


def c_header(registers: Iterable[Register], prefix: str = "POLYRHYTHM") -> str:
    """A C header: the address of every register, and a mask of its bits where it has less than
    32. `prefix` begins every name."""
    lines = [f"#ifndef {prefix}_REGISTERS_H", f"#define {prefix}_REGISTERS_H", ""]
    for row in checked(registers):
        name = f"{prefix}_{row.name.upper()}"
        lines += [f"/* {row.doc} ({ACCESS[row.access]}) */", f"#define {name} 0x{row.address:04x}u"]
        if row.bits < 32:
            lines.append(f"#define {name}_MASK 0x{(1 << row.bits) - 1:x}u")
    return "\n".join([*lines, "", "#endif", ""])


def table(registers: Iterable[Register]) -> str:
    """A Markdown table; registers `name0`, `name1`, ... of one text are one row."""
    lines = ["| address | register | bits | access | |", "|---|---|---|---|---|"]
    rows = list(checked(registers))
    while rows:
        row, stem = rows[0], rows[0].name.rstrip("0123456789")
        same = [r for r in rows if re.fullmatch(rf"{stem}\d+", r.name) and r.doc == row.doc]
        last = same[-1] if len(same) > 1 else row
        rows = rows[max(1, len(same)) :]
        where, name = f"0x{row.address:04X}", f"`{row.name}`"
        if last is not row:
            where, name = f"{where} .. 0x{last.address:04X}", f"{name} .. `{last.name}`"
        lines.append(f"| {where} | {name} | {row.bits} | {ACCESS[row.access]} | {row.doc} |")
    return "\n".join(lines) + "\n"
