"""Files from their publishers: resumed where they broke off, checked by SHA-256, renamed into place
when whole."""

import hashlib
import os
import re
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO

CHUNK = 1 << 16
ATTEMPTS = 3  # a transfer that breaks off is resumed this often before it counts as failed
TIMEOUT_S = 30

Progress = Callable[[str, int, int | None], None]


class DataError(ValueError):
    """A data set that is missing, unreachable or not what its publisher wrote."""


def show_progress(name: str, done: int, total: int | None) -> None:
    """One line on stderr that is written over as bytes arrive."""
    share = (
        f"{100 * done / total:5.1f} % of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
    )
    end = "\n" if total and done >= total else "\r"
    print(f"download {name}: {share}", end=end, file=sys.stderr, flush=True)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(url: str, target: Path, sha256: str, progress: Progress | None = show_progress) -> Path:
    """Download `url` to `target`; bytes collect in `target`.part, which a later call goes on from.

    The file takes its name only after its SHA-256 is right; a file with another one is deleted.
    Raises DataError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    reason: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            _transfer(url, part, progress)
            break
        except (OSError, HTTPException) as error:
            reason = error
            if isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500:
                raise _unreachable(url, target, error) from None
    else:
        raise _unreachable(url, target, reason)
    found = sha256_of(part)
    if found != sha256:
        part.unlink()
        raise DataError(
            f"{url}: SHA-256 must be {sha256}, not {found}; the download was deleted, so try "
            "again, "
            f"or get the file from its publisher and put it at {target}"
        )
    os.replace(part, target)
    return target


def _unreachable(url: str, target: Path, reason: Exception | None) -> DataError:
    return DataError(
        f"{url} could not be downloaded ({reason}); get the file elsewhere and put it at {target}"
    )


def _transfer(url: str, part: Path, progress: Progress | None) -> None:
    """Append to `part` what is missing of `url`; raises OSError when the connection ends too
    early."""
    done = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "polyrhythm"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S
        )
    except urllib.error.HTTPError as error:
        error.close()
        # Nothing is left to send: the part is whole, or of another file
        if error.code == 416 and done:
            return
        raise
    with response:
        if done and _range_start(response) != done:  # the server does not resume: from the start
            done = 0
        left = response.headers.get("Content-Length")
        total = done + int(left) if left is not None else None
        with part.open("ab" if done else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress:
                    progress(part.name.removesuffix(".part"), done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")


def _range_start(response: HTTPResponse) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found.group(1)) if response.status == 206 and found else 0


def extract(archive: Path, pattern: str, target: Path) -> None:
    """Unpack the members of a .tar.gz or .zip whose whole name matches `pattern` into the folder
    `target`.

    The first group of the pattern names the file below `target`. Only plain files that match are
    written, into a temporary folder that takes its name when it is complete. Raises DataError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        try:
            written = _copy_members(archive, re.compile(pattern), Path(folder) / "members")
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise DataError(
                f"{archive}: must be a whole archive ({error}); delete it and try again"
            ) from error
        if not written:
            raise DataError(f"{archive}: must hold files named {pattern}, but there is none")
        os.replace(Path(folder) / "members", target)


def _copy_members(archive: Path, pattern: re.Pattern[str], folder: Path) -> int:
    written = 0

    def copy(name: str, source: IO[bytes] | None) -> None:
        nonlocal written
        match = pattern.fullmatch(name)
        if match is None or source is None or ".." in PurePosixPath(name).parts:
            return
        place = folder / match.group(1)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            shutil.copyfileobj(source, file)
        written += 1

    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                with packed.open(entry) as source:
                    copy(entry.filename, source)
    else:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                copy(member.name, tar.extractfile(member) if member.isfile() else None)
    return written
