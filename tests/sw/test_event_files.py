"""Event files: every event exact, times that wrap by the formats' rules, and one clear error for
whatever is no recording."""

import struct
from collections.abc import Callable
from pathlib import Path

import eventfiles
import h5py
import numpy as np
import pytest

from polyrhythm.sw.data.download import DataError
from polyrhythm.sw.data.events import prophesee
from polyrhythm.sw.data.events.files import Reading, read_events
from polyrhythm.sw.data.events.recording import EVENT

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "event-file-formats"
Encoder = Callable[[np.ndarray], bytes]


def message(path: Path, how: Reading | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_events(path, how)
    return str(caught.value).replace(f"{path}: ", "", 1)


def rows_of_events(seed: int, size: int, span: int, start: int = 0) -> np.ndarray:
    """Random events among which runs stand on one line at one time, as EVT3's vectors have them."""
    made, rng = eventfiles.random_events(seed, size, span, start=start), np.random.default_rng(seed)
    k = 0
    while k + 12 < size:
        n = int(rng.integers(1, 12))
        for key in "typ":
            made[key][k : k + n] = made[key][k]
        made["x"][k : k + n] = np.sort(rng.choice(60, n, replace=False)) + int(rng.integers(0, 200))
        k += n
    return made


@pytest.mark.parametrize(
    ("name", "encoder", "span", "start"),
    [
        ("a.raw", eventfiles.evt2, 1 << 20, 0),
        ("a.raw", eventfiles.evt2, 1 << 36, 12345),  # wraps three times, at 2^34 us
        ("a.raw", eventfiles.evt3, 1 << 20, 5_000_000_000 % (1 << 24)),
        ("a.raw", eventfiles.evt3, 100_000_000, 0),  # wraps five times, at 2^24 us
        ("a.raw", lambda made: eventfiles.evt3(made, vectors=False), 1 << 16, 0),
        ("a.dat", eventfiles.dat, (1 << 32) - 1, 0),
        ("a.dat", lambda made: eventfiles.dat(made, kind=0), 1 << 20, 0),
    ],
    ids=["evt2", "evt2 wraps", "evt3", "evt3 wraps", "evt3 without vectors", "dat", "dat 2d"],
)
def test_every_event_comes_back(
    tmp_path: Path, name: str, encoder: Encoder, span: int, start: int
) -> None:
    made = rows_of_events(3, 4000, span, start)
    (tmp_path / name).write_bytes(encoder(made))
    found = read_events(tmp_path / name)
    assert found.events.dtype == EVENT and (found.events == made).all() and len(made) == 4000
    assert found.sensor == ((240, 320) if name == "a.raw" else None) and found.notes == ()


@pytest.mark.parametrize("part", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("encoder", "span"), [(eventfiles.evt2, 1 << 36), (eventfiles.evt3, 40_000_000)]
)
def test_what_holds_goes_on_from_part_to_part(
    tmp_path: Path, encoder: Encoder, span: int, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prophesee, "PART", part)
    made = rows_of_events(5, 300, span)
    (tmp_path / "a.raw").write_bytes(encoder(made))
    assert (read_events(tmp_path / "a.raw").events == made).all()


def test_random_words_mean_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any words at all, in any order: what is decoded does not hang on where they are cut."""
    rng = np.random.default_rng(7)
    for decode, word in ((prophesee.decode_evt2, "<u4"), (prophesee.decode_evt3, "<u2")):
        bits = 8 * np.dtype(word).itemsize
        kinds = rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 10, 15], 500)
        body = (kinds << bits - 4 | rng.integers(0, 1 << bits - 4, 500)).astype(word).tobytes()
        monkeypatch.setattr(prophesee, "PART", 1 << 18)
        whole = decode(body)
        for part in (1, 3, 64):
            monkeypatch.setattr(prophesee, "PART", part)
            found = decode(body)
            assert (
                (found.events == whole.events).all()
                and found.notes == whole.notes
                and len(whole.events) > 50
            )


def test_nmnist_files_come_back_with_their_overflow_marks(tmp_path: Path) -> None:
    made = eventfiles.random_events(1, 3000, 12_000_000, 34, 34)
    (tmp_path / "a.bin").write_bytes(eventfiles.nmnist(made))
    assert (tmp_path / "a.bin").stat().st_size > 5 * 3000 and (
        read_events(tmp_path / "a.bin").events == made
    ).all()


def words(path: Path, kind: str, values: list[int]) -> Path:
    lines = eventfiles.header(f"format {kind};height=4;width=2048")
    path.write_bytes(
        lines + b"".join(struct.pack("<I" if kind == "EVT2" else "<H", value) for value in values)
    )
    return path


def test_evt3_has_a_low_time_of_0_where_the_high_one_changes(tmp_path: Path) -> None:
    """High 5, low 9, event; high 5 again, event; high 6, event; low 2, event."""
    path = words(
        tmp_path / "a.raw",
        "EVT3",
        [0x8005, 0x6009, 0x0003, 0x2801, 0x8005, 0x2802, 0x8006, 0x2003, 0x6002, 0x2004],
    )
    assert read_events(path).events.tolist() == [
        (5 * 4096 + 9, 1, 3, 1),
        (5 * 4096 + 9, 2, 3, 1),
        (6 * 4096, 3, 3, 0),
        (6 * 4096 + 2, 4, 3, 0),
    ]


def test_evt3_vectors_move_their_base_on(tmp_path: Path) -> None:
    """Twelve, twelve and eight places from x 100 on; then another base."""
    path = words(
        tmp_path / "a.raw",
        "EVT3",
        [0x8000, 0x6001, 0x0002, 0x3864, 0x4801, 0x4002, 0x5081, 0x3000, 0x5004],
    )
    assert read_events(path).events.tolist() == [
        (1, x, 2, 1) for x in (100, 111, 113, 124, 131)
    ] + [(1, 2, 2, 0)]


def test_evt3_high_time_wraps_when_it_falls_by_half_or_more(tmp_path: Path) -> None:
    path = words(
        tmp_path / "a.raw",
        "EVT3",
        [0x8FFF, 0x6FFF, 0x0000, 0x2000, 0x8000, 0x2000, 0x8800, 0x2000, 0x8000, 0x2000],
    )
    assert read_events(path).events["t"].tolist() == [
        (1 << 24) - 1,
        1 << 24,
        (1 << 24) + (0x800 << 12),
        2 << 24,
    ]


def test_a_smaller_fall_is_time_that_runs_back(tmp_path: Path) -> None:
    path = words(tmp_path / "a.raw", "EVT3", [0x8800, 0x0000, 0x2000, 0x8001, 0x2001])
    assert message(path) == (
        "times must not run back, but event 1 is at 4096 us and the one before it at 8388608 us (1 such places); "
        "say --sort-events to put them in order"
    )
    assert read_events(path, Reading(sort=True)).events.tolist() == [
        (4096, 1, 0, 0),
        (8388608, 0, 0, 0),
    ]


def test_events_without_a_time_are_left_out_and_told(tmp_path: Path) -> None:
    told = (
        "{} events come before the first word that says the high part of the time, and are left out",
    )
    path = words(
        tmp_path / "a.raw", "EVT3", [0x6001, 0x0000, 0x2001, 0x3002, 0x4007, 0x8001, 0x2003]
    )
    found = read_events(path)
    assert found.events["x"].tolist() == [3] and found.notes == (told[0].format(4),)
    found = read_events(
        words(tmp_path / "b.raw", "EVT2", [1 << 28 | 5 << 11, 8 << 28 | 1, 1 << 28 | 6 << 11 | 2])
    )
    assert found.events.tolist() == [(64, 6, 2, 1)] and found.notes == (told[0].format(1),)


def test_other_words_are_no_events(tmp_path: Path) -> None:
    evt2 = [8 << 28 | 1, 0xA << 28 | 7, 0xE << 28, 0xF << 28 | 3, 1 << 28 | 6 << 11 | 2]
    evt3 = [0x8000, 0x6001, 0xA001, 0xE014, 0xF123, 0x7002, 0x0003, 0x2805]
    assert read_events(words(tmp_path / "a.raw", "EVT2", evt2)).events.tolist() == [(64, 6, 2, 1)]
    assert read_events(words(tmp_path / "b.raw", "EVT3", evt3)).events.tolist() == [(1, 5, 3, 1)]


def test_old_dat_files_have_fewer_bits(tmp_path: Path) -> None:
    """Version 1, and files without a header: x in bits 8..0, y in 16..9, polarity in 17."""
    word = struct.pack("<II", 7, 300 | 200 << 9 | 1 << 17)
    (tmp_path / "a.dat").write_bytes(b"% Version 1\n" + bytes([0, 8]) + word)
    (tmp_path / "b.dat").write_bytes(word)
    assert (
        read_events(tmp_path / "a.dat").events.tolist()
        == read_events(tmp_path / "b.dat").events.tolist()
        == [(7, 300, 200, 1)]
    )


@pytest.mark.parametrize(
    ("lines", "sensor"),
    [
        (("Height 240", "Width 304", "Version 2"), (240, 304)),
        (("Version 2", "geometry 1280x720"), (720, 1280)),
        (("Version 2",), None),
    ],
)
def test_the_sensor_is_what_the_header_says(
    tmp_path: Path, lines: tuple[str, ...], sensor: object
) -> None:
    (tmp_path / "a.dat").write_bytes(eventfiles.dat(eventfiles.events([(1, 2, 3, 1)]), lines))
    assert read_events(tmp_path / "a.dat").sensor == sensor


GOOD = eventfiles.random_events(2, 50, 5000)
CUT = "must hold words of {} bytes after its header, but {} bytes are no multiple: it was cut off"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.raw", eventfiles.evt2(GOOD)[:-1], CUT.format(4, len(eventfiles.evt2(GOOD)) - len(eventfiles.evt2(GOOD[:0])) - 1)),
        ("a.raw", eventfiles.evt3(GOOD)[:-1], CUT.format(2, len(eventfiles.evt3(GOOD)) - len(eventfiles.evt3(GOOD[:0])) - 1)),
        ("a.dat", eventfiles.dat(GOOD)[:-3], CUT.format(8, 397)),
        ("a.bin", bytes(6), "must hold events of 5 bytes, not 6 bytes"),
        ("a.raw", eventfiles.header("format EVT21;height=2;width=2"), "the header must say format EVT2 or EVT3 (or evt 2.0, evt 3.0), not EVT21"),
        ("a.raw", eventfiles.header("evt 4.0"), "the header must say format EVT2 or EVT3 (or evt 2.0, evt 3.0), not evt 4.0"),
        ("a.raw", b"", "the header must say format EVT2 or EVT3 (or evt 2.0, evt 3.0), not nothing"),
        ("a.raw", b"% no end", "every line of the header must end, but the one at byte 0 does not"),
        ("a.dat", b"% Version 2\n", "after its header a .dat file must say its kind in two bytes, but has 0"),
        ("a.dat", b"% Version 2\n" + bytes([14, 8]), "events must be of kind 0 (2d) or 12 (CD) in 8 bytes, not of kind 14 in 8"),
        ("a.dat", b"% Version 2\n" + bytes([12, 8]) + struct.pack("<II", 0, 5 << 28), "polarity must be 0 or 1, not 5 in event 0"),
        ("a.h5", b"\x89HDF", "must be a whole HDF5 file, but cannot be read: "),
        ("a.aedat4", b"#!AER-DAT4.0\r\n", "must be a whole AEDAT4 file, but cannot be read: "),
        ("a.es", b"Event Stream", "must be a recording in one of .bin, .dat, .raw, .aedat4, .h5, .hdf5, .npy"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_one_line(
    tmp_path: Path, name: str, data: bytes, expected: str
) -> None:
    (tmp_path / name).write_bytes(data)
    assert message(tmp_path / name).startswith(expected) and "\n" not in message(tmp_path / name)


@pytest.mark.parametrize("name", ["a.bin", "a.raw", "a.h5", "a.aedat4", "a.npy"])
def test_a_file_that_is_not_there_is_told_as_such(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        read_events(tmp_path / name)


# ---- arrays of others


def struct_of(dtype: list[tuple[str, str]], rows: list[tuple[object, ...]]) -> np.ndarray:
    return np.array(rows, np.dtype(dtype))


@pytest.mark.parametrize(
    "array",
    [
        struct_of(
            [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "<i2")],
            [(1, 2, 30, -1), (3, 4, 50, 1)],
        ),
        struct_of(
            [("t", ">u8"), ("x", ">u2"), ("y", ">u2"), ("on", "?")],
            [(30, 1, 2, False), (50, 3, 4, True)],
        ),
        struct_of(
            [("timestamp", "<f8"), ("x", "<f4"), ("y", "<f4"), ("polarity", "<i1")],
            [(30, 1, 2, 0), (50, 3, 4, 1)],
        ),
    ],
    ids=["-1 and 1", "big-endian and on", "floats"],
)
def test_structured_arrays_in_the_types_of_others(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    assert read_events(tmp_path / "a.npy").events.tolist() == [(30, 1, 2, 0), (50, 3, 4, 1)]


def test_plain_arrays_need_their_columns_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([[1, 2, 30, 0], [3, 4, 50, 1]], np.float64))
    assert (
        message(path)
        == "(2, 4) does not say which column is which: say --columns txyp, xytp or what they are"
    )
    assert read_events(path, Reading(columns="xytp")).events.tolist() == [
        (30, 1, 2, 0),
        (50, 3, 4, 1),
    ]


@pytest.mark.parametrize(
    ("unit", "times"),
    [("s", [0.5, 1.25]), ("ms", [500, 1250]), ("ns", [500_000_000, 1_250_000_999])],
)
def test_times_in_other_units(tmp_path: Path, unit: str, times: list[float]) -> None:
    np.save(tmp_path / "a.npy", np.array([[time, 1, 2, k] for k, time in enumerate(times)]))
    found = read_events(tmp_path / "a.npy", Reading(columns="txyp", unit=unit)).events
    assert found["t"].tolist() == [500_000, 1_250_000]


@pytest.mark.parametrize(("unit", "kind", "last"), [
    ("s", "<f4", 16), ("ms", "<f4", 1 << 14), ("us", "<f4", 1 << 24), ("ns", "<f4", 1 << 33), ("s", "<f2", 1), ("s", "<f8", 1 << 33)])  # fmt: skip
def test_times_must_be_finer_than_a_microsecond_in_every_unit(
    tmp_path: Path, unit: str, kind: str, last: float
) -> None:
    path, how = tmp_path / "a.npy", Reading(unit=unit)
    almost = np.nextafter(np.array(last, kind), np.array(0, kind))
    np.save(path, struct_of([("t", kind), *T[1:]], [(0, 1, 1, 1), (last, 1, 1, 1)]))
    with pytest.raises(
        DataError,
        match=f"reaches .* {unit}, where its steps are .* us: too coarse for microseconds; keep it as integers",
    ):
        read_events(path, how)
    if kind != "<f2":
        np.save(path, struct_of([("t", kind), *T[1:]], [(0, 1, 1, 1), (almost, 1, 1, 1)]))
        assert len(read_events(path, how).events) == 2


T, P = (
    [("t", "<f8"), ("x", "<i4"), ("y", "<i4"), ("p", "<i4")],
    [("t", "<i8"), ("x", "<i4"), ("y", "<i4"), ("p", "<i4")],
)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (struct_of(T, [(0.5, 1, 1, 1)]), "t must be whole microseconds; if they are seconds, say --time-unit s, not 0.5 in event 0"),
        (struct_of(T, [(1, 1, 1, 1), (np.nan, 1, 1, 1)]), "t must be finite, not nan in event 1"),
        (struct_of([("t", "<f4"), *T[1:]], [(1.6e15, 1, 1, 1)]), "t is float32 and reaches 1.6e+15 us, where its steps are 1.34e+08 us: too coarse for microseconds; keep it as integers or float64 from the recording on"),
        (struct_of(P, [(0, -1, 1, 1)]), "x must lie in 0..65535, not -1 in event 0"),
        (struct_of(P, [(0, 1, 70000, 1)]), "y must lie in 0..65535, not 70000 in event 0"),
        (struct_of(P, [(0, 1, 1, 2)]), "p must be 0 and 1, -1 and 1, or boolean, not 2 in event 0"),
        (struct_of(P, [(0, 1, 1, -1), (0, 1, 1, 0)]), "p must be 0 and 1, or -1 and 1, not all three of them"),
        (struct_of(P, [(1 << 62, 1, 1, 0)]), "t must lie in -2305843009213693952..2305843009213693952, not 4611686018427387904 in event 0"),
        (struct_of(P[:3], [(0, 1, 1)]), "events must be one row of t, x, y and p (or on, polarity), not shape (1,) of t, x, y"),
        (np.zeros((3, 5)), "events must have shape (events, 4), or be a structured array, not (3, 5) float64"),
    ],
)  # fmt: skip
def test_events_that_cannot_be(tmp_path: Path, array: np.ndarray, expected: str) -> None:
    np.save(tmp_path / "a.npy", array)
    assert message(tmp_path / "a.npy") == expected


# ---- containers


def columns(file: h5py.Group, names: str = "txyp", made: np.ndarray = GOOD) -> None:
    for key, name in zip("txyp", names.split(",") if "," in names else names, strict=True):
        file[name] = made[key]


@pytest.mark.parametrize("layout", ["events/", "root", "xs", "CD/events", "two-d"])
def test_hdf5_in_its_usual_layouts(tmp_path: Path, layout: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if layout == "CD/events":
            file.create_dataset("CD/events", data=GOOD[["x", "y", "p", "t"]], compression="gzip")
            file["EXT_TRIGGER/events"] = np.zeros(3, [("p", "i2"), ("t", "i8"), ("id", "i2")])
            file.attrs["geometry"] = "320x240"
        elif layout == "two-d":
            file["davis/left/events"] = np.stack([GOOD[key] for key in "xytp"], 1).astype(float)
        else:
            columns(
                file.create_group("events") if layout != "root" else file,
                "ts,xs,ys,ps" if layout == "xs" else "txyp",
            )
        file["ms_to_idx"] = np.arange(7)
    found = read_events(tmp_path / "a.h5", Reading(columns="xytp"))
    assert (found.events == GOOD).all() and found.sensor == (
        (240, 320) if layout == "CD/events" else None
    )


def test_hdf5_adds_the_offset_of_times(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        columns(file.create_group("events"))
        file["t_offset"] = np.int64(57_000_000_000)
    assert (read_events(tmp_path / "a.h5").events["t"] == GOOD["t"] + 57_000_000_000).all()


def test_hdf5_with_none_or_several_recordings(tmp_path: Path) -> None:
    told = "must hold one recording, such as events/t, x, y, p or CD/events, but has "
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = np.zeros((3, 4, 4))
    assert message(tmp_path / "a.h5") == told + "nothing with t, x, y and p"
    with h5py.File(tmp_path / "b.h5", "w") as file:
        columns(file.create_group("left"))
        columns(file.create_group("right"))
    assert message(tmp_path / "b.h5") == told + "/left, /right"


def test_hdf5_that_claims_more_than_it_has(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for key in "txyp":
            file.create_dataset(
                f"events/{key}", (1 << 50,), "u1", chunks=(1 << 20,), compression="gzip"
            )
    assert (
        message(tmp_path / "a.h5")
        == "/events: /events/t says that it has 1125899906842624 bytes, out of 0 in the file"
    )


@pytest.mark.skipif(not SAMPLES.exists(), reason="needs the samples of shared/data")
@pytest.mark.parametrize(
    ("name", "size", "sensor", "first", "last"),
    [
        (
            "sample_dvs.aedat4",
            111954,
            (240, 320),
            (1605537493718345, 154, 204, 0),
            (1605537494308262, 88, 237, 1),
        ),
        ("sample_ncars.dat", 2009, None, (0, 25, 8, 0), (99952, 75, 28, 1)),
        ("sample_nmnist.bin", 4325, None, (654, 7, 15, 1), (311175, 21, 14, 1)),
    ],
)
def test_real_recordings(
    name: str, size: int, sensor: object, first: tuple[int, ...], last: tuple[int, ...]
) -> None:
    """As tonic 1.7.0, expelliarmus 1.1.12 and aedat 2.3.0 read them, every event."""
    found = read_events(SAMPLES / name)
    assert (len(found.events), found.sensor, found.events[0].item(), found.events[-1].item()) == (
        size,
        sensor,
        first,
        last,
    )


def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    """600 truncated and mutated files of each kind, 100 of HDF5: events, or one line."""
    with h5py.File(tmp_path / "good.h5", "w") as file:
        columns(file.create_group("events"))
    np.save(tmp_path / "good.npy", GOOD)
    made = eventfiles.random_events(4, 60, 9000, 34, 34)
    seeds = {
        "a.raw": [eventfiles.evt2(made), eventfiles.evt3(made)], "a.dat": [eventfiles.dat(made)], "a.bin": [eventfiles.nmnist(made)],
        "a.npy": [(tmp_path / "good.npy").read_bytes()], "a.h5": [(tmp_path / "good.h5").read_bytes()],
    }  # fmt: skip
    rng, read, refused = np.random.default_rng(0), 0, 0
    for name, originals in seeds.items():
        for k in range(100 if name == "a.h5" else 600):
            data = bytearray(originals[k % len(originals)])
            for _ in range(int(rng.integers(0, 4))):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
            path = tmp_path / name
            path.write_bytes(data[: int(rng.integers(len(data)))] if rng.random() < 0.4 else data)
            try:
                read_events(path, Reading(sort=bool(k % 2)))
                read += 1
            except DataError as error:
                assert "\n" not in str(error)
                refused += 1
    assert read > 300 and refused > 300
