"""Make .venv with pip in it on a machine that has python3 alone, without root.

Debian and Ubuntu split python3: neither pip for new environments (python3-venv) nor the shared
library that cocotb loads (libpython3.X.so) comes with it. What is missing is fetched with `apt-get
download` and unpacked below the environment; nothing outside it is touched. Runs on the bare
python3, so it imports the standard library alone.

    python3 tools/bootstrap.py venv .venv          the environment and its pip
    python3 tools/bootstrap.py libpython .venv     the shared library, where find_libpython looks:
                                                   .venv/lib
"""

import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
MEND = "sudo apt-get install python3-venv libpython" + VERSION


class Unmet(Exception):
    """Something that set-up needs is neither there nor to be had; the text is for the user."""


def main(argv: "list[str]") -> int:
    """Run one step; prints what is missing and the one command that corrects it."""
    if sys.version_info < OLDEST:
        say(
            f"Polyrhythm needs python >= 3.11, this is {VERSION}; name a newer one with: make venv "
            "PYTHON=python3.11"
        )
        return 3
    step, folder = argv
    try:
        {"venv": make_venv, "libpython": find_or_fetch_libpython}[step](Path(folder))
    except Unmet as missing:
        say(f"{missing}. This corrects it:\n\n    {MEND}\n")
        return 3
    return 0


def make_venv(venv: Path) -> None:
    """An environment whose pip runs."""
    if runs([venv / "bin" / "python", "-m", "pip", "--version"]):
        return
    say(f"making {venv} for Python {VERSION}")
    if runs([sys.executable, "-c", "import ensurepip"]) and runs(
        [sys.executable, "-m", "venv", "--clear", venv]
    ):
        return
    if not runs([sys.executable, "-m", "venv", "--clear", "--without-pip", venv]):
        raise Unmet("python3 cannot make a virtual environment")
    say(
        "this python3 has no pip for new environments: taking Debian's python3-pip-whl, for this "
        "one alone"
    )
    wheels = sorted(
        fetch(["python3-pip-whl"], venv / "debian").glob("usr/share/python-wheels/pip-*.whl")
    )
    pip = [
        venv / "bin" / "python",
        *(wheel / "pip" for wheel in wheels[-1:]),
        "install",
        "--no-index",
        *wheels[-1:],
    ]
    if not wheels or not runs(pip):
        raise Unmet("pip cannot be installed into " + str(venv))


def find_or_fetch_libpython(venv: Path) -> None:
    """Make sure that find_libpython, which cocotb asks, finds the shared library of this Python."""
    question = "import find_libpython, sys; sys.exit(find_libpython.find_libpython() is None)"
    if runs([venv / "bin" / "python", "-c", question]):
        return
    say("this python3 has no shared library: taking Debian's, for this environment alone")
    installed = output(["dpkg-query", "-W", "-f", "${Version}", "python" + VERSION])
    # Ubuntu 24.04 renamed its libraries for 64-bit time
    names = ["libpython" + VERSION, "libpython" + VERSION + "t64"]
    exact = [f"{name}={installed}" for name in names if installed]
    library = f"libpython{VERSION}.so.1.0"
    found = sorted(fetch([*exact, *names], venv / "debian").glob(f"usr/lib/**/{library}"))
    if not found:
        raise Unmet("the shared library of Python, which cocotb loads, cannot be had")
    link = venv / "lib" / library
    link.unlink(missing_ok=True)
    link.symlink_to(found[0].resolve())


def fetch(packages: "list[str]", folder: Path) -> Path:
    """Download and unpack the first of `packages` that there is into `folder`, as any user; returns
    `folder`.

    The machine's package lists may be empty, as in a fresh container: then own lists are fetched,
    beside the package.
    """
    folder = folder.resolve()
    own = folder / "apt"
    (own / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (own / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    private = [
        "-o",
        f"Dir::State::Lists={own}/lists",
        "-o",
        f"Dir::Cache={own}/cache",
        "-o",
        "APT::Sandbox::User=",
    ]
    for options, refresh in ((["-o", f"Dir::Cache={own}/cache"], False), (private, True)):
        if refresh:
            runs(["apt-get", *options, "--quiet", "update"], folder)
        for package in packages:
            if runs(["apt-get", *options, "--quiet", "download", package], folder):
                for archive in folder.glob("*.deb"):
                    if not runs(["dpkg", "-x", archive, folder]):
                        raise Unmet(f"{archive.name} cannot be unpacked")
                    archive.unlink()
                return folder
    raise Unmet(f"{packages[-1].split('=')[0]} is not installed and cannot be downloaded")


def runs(command: "list[object]", folder: "Path | None" = None) -> bool:
    """Whether a command exists and ends with 0; its output is not shown."""
    words = [str(word) for word in command]
    try:
        return (
            subprocess.run(
                words, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL
            ).returncode
            == 0
        )
    except OSError:
        return False


def say(text: str) -> None:
    """Tell the user, on stderr."""
    print(text, file=sys.stderr, flush=True)


def output(command: "list[str]") -> str:
    """What a command prints; empty when it does not exist or fails."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL
        ).stdout.strip()
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
