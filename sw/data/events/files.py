"""Event files by their suffix."""

from dataclasses import dataclass
from pathlib import Path

from polyrhythm.sw.data.arrayfile import read_npy
from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events import containers, fields
from polyrhythm.sw.data.events.nmnist import read_bin
from polyrhythm.sw.data.events.prophesee import read_dat, read_raw
from polyrhythm.sw.data.events.recording import Recording, ordered

SUFFIXES = (".bin", ".dat", ".raw", ".aedat4", ".h5", ".hdf5", ".npy")


@dataclass(frozen=True)
class Reading:
    """How event files are read, where they do not say it themselves."""

    sort: bool = False  # times that run back are put in order
    columns: str | None = None  # of plain arrays, such as txyp
    unit: str = "us"  # of the times in .h5 and .npy


def read_events(path: str | Path, how: Reading | None = None) -> Recording:
    """The recording in a file, times ascending. DataError, in one line, for whatever is no
    recording."""
    how, where = how or Reading(), str(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".aedat4":
        _there(path)
        found = containers.read_aedat4(where)
    elif suffix in (".h5", ".hdf5"):
        _there(path)
        found = containers.read_hdf5(where, how.columns, how.unit)
    elif suffix == ".npy":
        array = read_npy(path)
        plain = array.dtype.names is None
        events = (
            fields.from_rows(where, array, how.columns, how.unit)
            if plain
            else fields.from_struct(where, array, how.unit)
        )
        found = Recording(events)
    elif suffix in (".bin", ".dat", ".raw"):
        read = {".bin": read_bin, ".dat": read_dat, ".raw": read_raw}[suffix]
        found = read(where, Path(path).read_bytes())
    else:
        raise DataError(f"{path}: must be a recording in one of {', '.join(SUFFIXES)}")
    return ordered(where, found, how.sort)


def _there(path: str | Path) -> None:
    with open(path, "rb"):  # a file that is not there is told as such, not as damaged
        pass
