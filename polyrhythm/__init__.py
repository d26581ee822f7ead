"""Spiking networks whose layers each keep their own number of time steps, as bit-exact FPGA
accelerators::

    import polyrhythm

    network = polyrhythm.load("models/digits.safetensors")
    polyrhythm.write_verilog(network, "build/digits")

The names of `__all__` are the Python face; the rooms below (`polyrhythm.sw`, `polyrhythm.hw`, ...)
are the inside. Nothing is imported before it is asked for, so `import polyrhythm` costs nothing and
needs no torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyrhythm.boards.driver.device import Device
    from polyrhythm.face import (
        build,
        compare,
        convert,
        load,
        run,
        swap,
        synthesize,
        train,
        write_verilog,
    )
    from polyrhythm.sw.network import Network
    from polyrhythm.sw.trace import Trace

    __version__: str

__all__ = [
    "Device",
    "Network",
    "Trace",
    "__version__",
    "build",
    "compare",
    "convert",
    "load",
    "run",
    "swap",
    "synthesize",
    "train",
    "write_verilog",
]


def __getattr__(name: str) -> Any:
    """A name of the face, from where it lives."""
    if name not in __all__:
        raise AttributeError(f"polyrhythm has no {name!r}; it has {', '.join(__all__)}")
    found: Any
    if name == "__version__":
        from polyrhythm.sw.lib.fix import version

        found = version()
    elif name == "Network":
        from polyrhythm.sw.network import Network as found
    elif name == "Device":
        from polyrhythm.boards.driver.device import Device as found
    elif name == "Trace":
        from polyrhythm.sw.trace import Trace as found
    else:
        from polyrhythm import face

        found = getattr(face, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
