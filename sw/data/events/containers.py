"""Recordings in containers that other libraries read: aedat4 and HDF5."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events import fields
from polyrhythm.sw.data.events.recording import EVENT, Recording


def read_aedat4(path: str) -> Recording:
    """The one stream of events of an AEDAT4 file; its times are since 1970, in whole
    microseconds."""
    import aedat

    parts: dict[int, list[Any]] = {}
    try:
        decoder = aedat.Decoder(path)
        streams = {
            number: stream
            for number, stream in decoder.id_to_stream().items()
            if stream.get("type") == "events"
        }
        for packet in decoder:
            if "events" in packet:
                parts.setdefault(packet["stream_id"], []).append(packet["events"])
    except Exception as error:  # whatever the library makes of a damaged file
        raise DataError(
            f"{path}: must be a whole AEDAT4 file, but cannot be read: {_line(error)}"
        ) from None
    if len(streams) != 1:
        raise DataError(f"{path}: must hold one stream of events, not {len(streams)}")
    (number, stream), found = next(iter(streams.items())), [np.zeros(0, EVENT)]
    found += [fields.from_struct(path, packet) for packet in parts.get(number, [])]
    size = (int(stream["height"]), int(stream["width"]))
    return Recording(np.concatenate(found), size)


def read_hdf5(path: str, columns: str | None, unit: str) -> Recording:
    """The one recording of an HDF5 file.

    It is a group of four data sets (events/t, x, y, p and the names that `fields` knows), a data
    set of rows with such fields (CD/events), or a plain one of four columns. What holds no x and y,
    such as triggers, is none. A data set t_offset beside the group is added to its times.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = list(_recordings(file, h5py))
            if len(found) != 1:
                told = ", ".join(place for place, _ in found) or "nothing with t, x, y and p"
                raise DataError(
                    f"{path}: must hold one recording, such as events/t, x, y, p or CD/events, but "
                    f"has {told}"
                )
            place, node = found[0]
            where, sensor = f"{path}: {place}", _sensor(file, node)
            if isinstance(node, h5py.Dataset):
                array = _read(where, node)
                events = (
                    fields.from_struct(where, array, unit)
                    if array.dtype.names
                    else fields.from_rows(where, array, columns, unit)
                )
                return Recording(events, sensor)
            chosen = fields.find(tuple(node))
            assert chosen is not None
            events = fields.assemble(
                where, {key: _read(where, node[name]) for key, name in chosen.items()}, unit
            )
            offset = file.get("t_offset")
            if isinstance(offset, h5py.Dataset):
                events["t"] += _offset(where, offset, unit)
            return Recording(events, sensor)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # whatever the library makes of a damaged file
        raise DataError(
            f"{path}: must be a whole HDF5 file, but cannot be read: {_line(error)}"
        ) from None


def _recordings(group: Any, h5py: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(name, group or data set) of all that could be a recording; links to other files are not
    followed."""
    chosen = fields.find(tuple(group))
    if chosen and all(
        _kept(group, name, h5py) and isinstance(group.get(name), h5py.Dataset)
        for name in chosen.values()
    ):
        yield group.name, group
        return
    for name in group:
        node = group.get(name) if _kept(group, name, h5py) else None
        if isinstance(node, h5py.Group) and depth < 8:
            yield from _recordings(node, h5py, depth + 1)
        elif isinstance(node, h5py.Dataset):
            rows = len(node.shape or ()) == 2 and node.shape[1] == 4 and node.dtype.kind in "iuf"
            if rows or fields.find(node.dtype.names or ()):
                yield node.name, node


def _kept(group: Any, name: str, h5py: Any) -> bool:
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def _read(where: str, node: Any) -> np.ndarray:
    """A data set as an array; its plain storage must be in the file, so that no header makes up
    gigabytes."""
    size = node.size * node.dtype.itemsize if node.size else 0
    if node.chunks is None and node.id.get_storage_size() < size:
        raise DataError(
            f"{where}: {node.name} says that it has {size} bytes, but {node.id.get_storage_size()} "
            "are in the file"
        )
    if node.chunks is not None and size > (node.id.get_storage_size() + 1) << 16:
        raise DataError(
            f"{where}: {node.name} says that it has {size} bytes, out of "
            f"{node.id.get_storage_size()} in the file"
        )
    return np.asarray(node[()])


def _offset(where: str, node: Any, unit: str) -> int:
    value = np.asarray(node[()]).reshape(-1)
    if len(value) != 1:
        raise DataError(f"{where}: t_offset must be one number, not {value.shape}")
    return int(
        fields.assemble(
            where, {key: value if key == "t" else np.zeros(1, int) for key in "txyp"}, unit
        )["t"][0]
    )


def _sensor(file: Any, node: Any) -> tuple[int, int] | None:
    """(height, width) from the attributes of the recording, of what it lies in, or of the file."""
    for place in (node, node.parent, file):
        values = {name.lower(): value for name, value in place.attrs.items()}
        if "geometry" in values:
            text = values["geometry"]
            words = (text.decode("latin-1") if isinstance(text, bytes) else str(text)).split("x")
            if len(words) == 2 and all(word.isdigit() for word in words):
                return int(words[1]), int(words[0])
        if isinstance(values.get("height"), np.integer) and isinstance(
            values.get("width"), np.integer
        ):
            return int(values["height"]), int(values["width"])
    return None


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
