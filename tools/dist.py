"""Build sdist and wheel, look at what is in them, install each into an empty environment, and use
it there.

    python tools/dist.py dist      what `make dist` runs; the two files are in dist/ when everything
                                   held

The wheel is built from the sdist, so an sdist that lacks something shows. Environments and what is
written in them lie in a temporary folder. Needs the packages of our base from the index that pip
uses.
"""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

from packaging.metadata import Metadata

REPO = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))
NAME, VERSION = PROJECT["project"]["name"], PROJECT["project"]["version"]
BUILT = {
    "PKG-INFO",
    "setup.cfg",
    *(
        f"{NAME}.egg-info/{name}"
        for name in (
            "PKG-INFO",
            "SOURCES.txt",
            "dependency_links.txt",
            "entry_points.txt",
            "requires.txt",
            "top_level.txt",
        )
    ),
}
INFO = (
    "METADATA",
    "RECORD",
    "WHEEL",
    "entry_points.txt",
    "licenses/LICENSE",
    "licenses/NOTICE",
    "top_level.txt",
)
NETWORK = REPO / "models" / "digits.safetensors"
# An FPGA user's own folder has such names, and each of these says so when it is imported.
THEIRS = ("hw/__init__.py", "sim/__init__.py", "sw/__init__.py", "boards/__init__.py", "cli.py")
FACE = "import sys, polyrhythm; polyrhythm.write_verilog(polyrhythm.load(sys.argv[1]), sys.argv[2])"


class Unfit(Exception):
    """The distribution is not fit to be released; the text says what is wrong."""


def main(argv: list[str]) -> int:
    """Build, look, install, use; prints each step."""
    out = Path(argv[0]).absolute()
    try:
        with tempfile.TemporaryDirectory(prefix="polyrhythm-dist-") as scratch:
            sdist, wheel = build(Path(scratch) / "built")
            check_names("sdist", members_of_sdist(sdist), tracked() | BUILT)
            check_names(
                "wheel",
                members_of_wheel(wheel),
                packaged() | {f"{NAME}-{VERSION}.dist-info/{name}" for name in INFO},
            )
            check_metadata(wheel)
            wanted = exported([sys.executable, "-m", NAME], Path(scratch) / "here")
            for file in (wheel, sdist):
                use(file, Path(scratch) / file.name, wanted)
            out.mkdir(exist_ok=True)
            for file in (sdist, wheel):
                shutil.copy(file, out / file.name)
    except Unfit as error:
        print(f"dist: {error}", file=sys.stderr)
        return 1
    print(f"dist: {out / sdist.name} and {out / wheel.name} hold what they must, install and work")
    return 0


def call(command: list[str], folder: Path, **variables: str) -> str:
    """What a command prints; Unfit with its output where it fails."""
    done = finished(command, folder, **variables)
    if done.returncode:
        raise Unfit(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def finished(
    command: list[str], folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command that has ended, away from our own environment."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "POLYRHYTHM", "VIRTUAL_ENV"))
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=kept | variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def build(folder: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it. Times are those of the last commit, so the
    files hang on it alone."""
    print("dist: building the sdist, and the wheel from it", flush=True)
    stamp = (
        call(["git", "log", "-1", "--format=%ct"], REPO).strip()
        if (REPO / ".git").exists()
        else "1700000000"
    )
    call(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(REPO)],
        REPO,
        SOURCE_DATE_EPOCH=stamp,
    )
    names = [f"{NAME}-{VERSION}.tar.gz", f"{NAME}-{VERSION}-py3-none-any.whl"]
    check_names("the build's folder", {path.name for path in folder.iterdir()}, set(names))
    return folder / names[0], folder / names[1]


def members_of_sdist(path: Path) -> set[str]:
    """Its files, below the one folder that it has."""
    with tarfile.open(path) as archive:
        names = [member.name.split("/", 1) for member in archive.getmembers() if member.isfile()]
    if any(name[0] != f"{NAME}-{VERSION}" for name in names):
        raise Unfit(f"the sdist must hold the folder {NAME}-{VERSION} alone")
    return {name[1] for name in names}


def members_of_wheel(path: Path) -> set[str]:
    """Its files."""
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def tracked() -> set[str]:
    """What belongs to the source tree: what git has, or, in an unpacked sdist, what that one
    lists."""
    if (REPO / ".git").exists():
        return {
            name
            for name in map(packed, call(["git", "ls-files"], REPO).splitlines())
            if not (REPO / name).is_dir()
        }
    return set((REPO / f"{NAME}.egg-info" / "SOURCES.txt").read_text().splitlines()) - BUILT


def packed(name: str) -> str:
    """Where a file of the repository lies in a distribution: a room is where the link to it
    stands."""
    return f"{NAME}/{name}" if (REPO / NAME / name.split("/")[0]).is_symlink() else name


def packaged() -> set[str]:
    """What the wheel installs: all that the source tree has below our one name, code or not."""
    return {name for name in tracked() if name.startswith(f"{NAME}/")}


def check_names(what: str, found: set[str], wanted: set[str]) -> None:
    """Hold the files that are there against those that must be."""
    for told, odd in (("lacks", wanted - found), ("must not hold", found - wanted)):
        if odd:
            raise Unfit(f"{what} {told} {', '.join(sorted(odd))}")


def check_metadata(wheel: Path) -> None:
    """The metadata as an index checks it, and our promises: a licence, a readable page, no
    requirement that names ourselves."""
    with zipfile.ZipFile(wheel) as archive:
        raw = archive.read(f"{NAME}-{VERSION}.dist-info/METADATA")
    try:
        metadata = Metadata.from_email(raw, validate=True)
    except ExceptionGroup as group:
        raise Unfit(f"the metadata is not valid: {'; '.join(map(str, group.exceptions))}") from None
    page = email.message_from_bytes(raw)["Description-Content-Type"]
    told = {
        "version": (str(metadata.version), VERSION),
        "licence": (metadata.license_expression, "Apache-2.0"),
        "page": (page, "text/markdown"),
        "Python": (str(metadata.requires_python), PROJECT["project"]["requires-python"]),
    }
    for name, (found, wanted) in told.items():
        if found != wanted:
            raise Unfit(f"the metadata's {name} must be {wanted}, not {found}")


def use(file: Path, folder: Path, wanted: dict[str, bytes]) -> None:
    """Install one of the two into an environment that has nothing, and see that it works there."""
    print(f"dist: installing {file.name} into an empty environment", flush=True)
    call([sys.executable, str(REPO / "tools" / "bootstrap.py"), "venv", str(folder / "venv")], REPO)
    binary = folder / "venv" / "bin"
    pip = [str(binary / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    call([*pip, "--constraint", str(REPO / "constraints.txt"), str(file)], folder)
    program, folder = str(binary / NAME), theirs(folder)
    if (said := call([program, "--version"], folder)) != f"{NAME} {VERSION}\n":
        raise Unfit(f"{file.name}: --version must say {NAME} {VERSION}, not {said!r}")
    if "digits  two_phase" not in call([program, "info", str(NETWORK)], folder):
        raise Unfit(f"{file.name}: info must tell of {NETWORK.name}")
    call([str(binary / "python"), "-c", FACE, str(NETWORK), str(folder / "face")], folder)
    if not exported([program], folder / "verilog") == read(folder / "face") == wanted:
        raise Unfit(
            f"{file.name}: the Verilog of {NETWORK.name} must be that of the source tree, byte for "
            "byte"
        )
    if (
        said := call([str(binary / "python"), "-m", NAME, "--version"], folder)
    ) != f"{NAME} {VERSION}\n":
        raise Unfit(f"{file.name}: python -m {NAME} must be the program, and says {said!r}")
    lost = finished([program, "train", "--recipe", "digits"], folder)
    fix = lost.stderr.strip().rpartition("fix it with: ")[2]
    if lost.returncode != 3 or not fix.startswith(f"{binary / 'python'} -m pip install torch=="):
        raise Unfit(
            f"{file.name}: without torch, train must name the command that installs it here, and "
            f"says: {lost.stderr}"
        )


def exported(program: list[str], folder: Path) -> dict[str, bytes]:
    """The Verilog that a program writes, by file."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    call([*program, "verilog", str(NETWORK), "--out", str(folder)], folder.parent)
    return read(folder)


def read(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def theirs(folder: Path) -> Path:
    """A user's repository, whose folders have the names of our rooms."""
    for name in THEIRS:
        file = folder / "theirs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"raise RuntimeError('{name} is the user's own')\n")
    return folder / "theirs"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
