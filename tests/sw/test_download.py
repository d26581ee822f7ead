"""The downloader, against a publisher on this machine; how `load` finds, fetches and unpacks."""

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from polyrhythm.sw import data
from polyrhythm.sw.data import DataError, datasets, download, load


def message(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


def idx(shape: tuple[int, ...], payload: bytes, code: int = 8) -> bytes:
    return bytes([0, 0, code, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape) + payload


def write_mnist(folder: Path, images: tuple[int, ...], labels: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(idx(images, bytes(int(np.prod(images)))))
    )
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx((len(labels),), labels)))


# ---- where files are looked for


def test_roots_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("POLYRHYTHM_DATA", str(tmp_path / "env"))
    assert data.roots(tmp_path / "given") == [
        tmp_path / "given",
        tmp_path / "env",
        tmp_path / "cache" / "polyrhythm",
    ]
    for place, label in (("cache/polyrhythm", 3), ("env", 2), ("given", 1)):
        write_mnist(tmp_path / place / "mnist", (1, 28, 28), bytes([label]))
        assert load("mnist", "test", tmp_path / "given")[1].tolist() == [label]
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data.cache_root() == tmp_path / ".cache" / "polyrhythm"


def test_unknown_names() -> None:
    assert (
        message(lambda: load("minst", "test"))
        == "dataset must be one of digits, mnist, fashion-mnist, cifar10, nmnist, not 'minst'"
    )
    assert (
        message(lambda: load("digits", "valid"))
        == "digits: split must be train or test, not 'valid'"
    )


# ---- the downloader, against a publisher on this machine


class Publisher(http.server.ThreadingHTTPServer):
    """Serves bytes by path; can cut transfers short, and can refuse to resume."""

    files: dict[str, bytes]
    cut: list[int]  # lengths after which the next answers break off
    ranges: bool
    asked: list[str | None]  # the Range header of every request


class Handler(http.server.BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        content = self.server.files.get(self.path)
        if content is None:
            return self.send_error(404)
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(
            content[start : start + self.server.cut.pop(0)] if self.server.cut else content[start:]
        )

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Publisher]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("POLYRHYTHM_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Publisher(("127.0.0.1", 0), Handler) as server:
        server.files, server.cut, server.ranges, server.asked = {}, [], True, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(server: Publisher, path: str = "/f") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


CONTENT = bytes(range(256)) * 1000
SUM = hashlib.sha256(CONTENT).hexdigest()


def test_download_resumes_where_it_broke_off(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/f"], publisher.cut = CONTENT, [1000, 500]
    seen: list[tuple[str, int, int | None]] = []
    target = download.fetch(
        url(publisher), tmp_path / "sub" / "f", SUM, lambda *step: seen.append(step)
    )
    assert target.read_bytes() == CONTENT and publisher.asked == [
        None,
        "bytes=1000-",
        "bytes=1500-",
    ]
    assert seen[-1] == ("f", len(CONTENT), len(CONTENT)) and [
        p.name for p in target.parent.iterdir()
    ] == ["f"]


def test_download_goes_on_in_a_later_call(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/f"], publisher.cut = CONTENT, [100, 100, 100]
    assert message(lambda: download.fetch(url(publisher), tmp_path / "f", SUM, None)) == (
        f"{url(publisher)} could not be downloaded (the connection ended after 300 of 256000 bytes); "
        f"get the file elsewhere and put it at {tmp_path / 'f'}"
    )
    assert not (tmp_path / "f").exists() and (tmp_path / "f.part").read_bytes() == CONTENT[:300]
    assert download.fetch(url(publisher), tmp_path / "f", SUM, None).read_bytes() == CONTENT
    assert publisher.asked[-1] == "bytes=300-"


def test_download_from_a_server_that_does_not_resume(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/f"], publisher.ranges = CONTENT, False
    (tmp_path / "f.part").write_bytes(b"something else")
    assert download.fetch(url(publisher), tmp_path / "f", SUM, None).read_bytes() == CONTENT


def test_download_that_only_lacked_its_name(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/f"] = CONTENT
    (tmp_path / "f.part").write_bytes(CONTENT)
    assert download.fetch(url(publisher), tmp_path / "f", SUM, None).read_bytes() == CONTENT


def test_download_with_a_wrong_checksum(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/f"] = b"other"
    found = hashlib.sha256(b"other").hexdigest()
    assert message(lambda: download.fetch(url(publisher), tmp_path / "f", SUM, None)) == (
        f"{url(publisher)}: SHA-256 must be {SUM}, not {found}; the download was deleted, so try again, "
        f"or get the file from its publisher and put it at {tmp_path / 'f'}"
    )
    assert list(tmp_path.iterdir()) == []


def test_download_shows_progress(
    publisher: Publisher, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.files["/f"] = CONTENT
    download.fetch(url(publisher), tmp_path / "f", SUM)
    out, err = capsys.readouterr()
    assert out == "" and err.endswith("download f: 100.0 % of 0.3 MB\n")


def packed_tar(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_load_downloads_and_unpacks(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = bytes([4]) + bytes(3072)
    packed = packed_tar(
        {
            "cifar-10-batches-bin/test_batch.bin": record,
            "cifar-10-batches-bin/../../evil.bin": b"x",
            "readme": b"x",
        }
    )
    publisher.files["/c.tar.gz"] = packed
    row = datasets.DATASETS["cifar10"]
    remote = datasets.Remote(
        "c.tar.gz",
        url(publisher, "/c.tar.gz"),
        hashlib.sha256(packed).hexdigest(),
        datasets.CIFAR_ARCHIVE.members,
        "cifar-10-batches-bin",
    )
    monkeypatch.setitem(row.remotes, "test", (remote,))
    images, labels = load("cifar10", "test", progress=None)
    assert images.shape == (1, 3, 32, 32) and labels.tolist() == [4]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["test_batch.bin"]


def test_load_unpacks_a_zip_of_recordings(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("Test/7/00002.bin", bytes([1, 2, 0, 0, 3]))
        archive.writestr("Test/notes.txt", b"x")
    publisher.files["/t"] = buffer.getvalue()
    row = datasets.DATASETS["nmnist"]
    remote = row.remotes["test"][0]
    local = datasets.Remote(
        remote.name,
        url(publisher, "/t"),
        hashlib.sha256(buffer.getvalue()).hexdigest(),
        remote.members,
        remote.folder,
    )
    monkeypatch.setitem(row.remotes, "test", (local,))
    recordings, labels = load("nmnist", "test", progress=None)
    assert labels.tolist() == [7] and recordings[0].tolist() == [(3, 1, 2, 0)]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["00002.bin"]


def test_offline_says_which_file_to_put_where(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = url(publisher, "/gone.gz")
    row = datasets.DATASETS["mnist"]
    monkeypatch.setitem(
        row.remotes,
        "test",
        tuple(datasets.Remote(r.name, address, r.sha256) for r in row.remotes["test"]),
    )
    cache = tmp_path / "cache" / "polyrhythm"
    images, labels = (
        cache / "mnist" / "t10k-images-idx3-ubyte.gz",
        cache / "mnist" / "t10k-labels-idx1-ubyte.gz",
    )
    assert message(lambda: load("mnist", "test", tmp_path, None)) == (
        f"mnist: test split not found in {tmp_path}, {cache}, and "
        f"{address} could not be downloaded (HTTP Error 404: Not Found); "
        f"get the file elsewhere and put it at {images}; "
        f"{images} and {labels} must exist, or the same below a folder that POLYRHYTHM_DATA names"
    )


def test_damaged_archive(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(packed_tar({"a/x.bin": b"x"})[:40])
    assert message(lambda: download.extract(archive, r"a/(.*)", tmp_path / "a")).startswith(
        f"{archive}: must be a whole archive ("
    )
    archive.write_bytes(packed_tar({"b/x.bin": b"x"}))
    assert (
        message(lambda: download.extract(archive, r"a/(.*)", tmp_path / "a"))
        == f"{archive}: must hold files named a/(.*), but there is none"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]


def test_archive_members_stay_inside(tmp_path: Path) -> None:
    archive = tmp_path / "deep" / "a.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(packed_tar({"a/x.bin": b"x", "a/../../evil.bin": b"y"}))
    download.extract(archive, r"a/(.*)", tmp_path / "deep" / "a")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.tar.gz", "x.bin"]
