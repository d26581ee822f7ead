"""Objects out of a user's Python file, FILE.py:NAME, which runs as it does at home: what lies
beside it can be imported.

Two files of one user may each have a `helper.py` beside them, and a file beside them may be called
`polyrhythm`. While the user's code runs, such a name means the user's file, and afterwards what it
meant before. Nothing here needs torch.
"""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from polyrhythm.cli.report import nearest

HOME = Path(__file__).resolve().parents[1]  # polyrhythm
Folders = tuple[str, ...]

_brought: set[str] = set()  # top-level modules that users' files have brought in
# Their modules whose names mean something else outside
_kept: dict[Folders, dict[str, ModuleType]] = {}


def load_object(text: str, what: str) -> object:
    """What FILE.py:NAME names; `what` is the option that asks for it, and begins every error. Runs
    the user's file, once.

    ValueError, in one line: no such file, no such name (with the nearest), or what the file raised
    and in which line.
    """
    file, name = _split(text, what)
    folders, title = _address(file)
    with _at_home(folders):
        module = _guarded(lambda: _module(file, title), what, file, folders)
    if not hasattr(module, name):
        own = {
            key: value
            for key, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
        }
        there = [key for key, value in own.items() if callable(value)]
        known = f"; it has {', '.join(there[:20])}" if there else ""
        # Objects too, such as recipes
        public = [key for key in vars(module) if not key.startswith("_")]
        raise ValueError(
            f"{what}: {file} must define "
            f"{name!r}{nearest(name, there) or nearest(name, public) or known}"
        )
    return getattr(module, name)


def call_object(found: object, text: str, what: str, *arguments: Any) -> Any:
    """What a function that `load_object` has found returns for these arguments.

    ValueError, in one line: not callable, other arguments wanted, or what it raised and in which
    line of the user's files.
    """
    file, name = _split(text, what)
    folders, _ = _address(file)
    if not callable(found):
        raise ValueError(f"{what}: {name} of {file} must be a function, not {type(found).__name__}")
    _check_arguments(found, f"{what}: {name} of {file}", arguments)
    with _at_home(folders):
        return _guarded(lambda: found(*arguments), what, file, folders, f"{name}: ")


def _split(text: str, what: str) -> tuple[Path, str]:
    name, file = (part[::-1] for part in text[::-1].partition(":")[::2])
    if not file or not name.isidentifier():
        example = text if text.endswith(".py") else "my_file.py"
        raise ValueError(f"{what} must be FILE.py:NAME, such as {example}:NAME, not {text!r}")
    path = Path(file)
    if not path.is_file():
        there = [str(other) for other in path.parent.glob("*.py")]
        told = f"{file!r} is a folder" if path.is_dir() else f"there is no {file!r}"
        raise ValueError(
            f"{what} must be FILE.py:NAME with a file that is there, but "
            f"{told}{nearest(file, there)}"
        )
    return path, name


def _address(file: Path) -> tuple[Folders, str]:
    """The folders that its imports are looked up in, and its name among them: with its packages
    where it lies in some."""
    place = file.resolve().parent
    root, parts = place, [file.stem]
    while (root / "__init__.py").is_file() and root != root.parent:
        root, parts = root.parent, [root.name, *parts]
    return tuple(dict.fromkeys((str(place), str(root)))), ".".join(parts)


def _module(file: Path, title: str) -> ModuleType:
    """The module of a file, from its first run where there was one."""
    there, path = sys.modules.get(title), str(file.resolve())
    if there is not None:
        if getattr(there, "__file__", None) == path:
            return there
        title = f"polyrhythm_user_{title}"  # a name of the standard library, say
    if "." in title:
        importlib.import_module(title.rpartition(".")[0])  # relative imports need the package
    loader = importlib.machinery.SourceFileLoader(title, path)  # whatever the file's suffix is
    spec = importlib.util.spec_from_file_location(title, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module  # dataclasses look their module up
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(title, None)
        raise
    return module


class _Beside:
    """An import finder: these names are looked up in these folders alone."""

    def __init__(self, names: set[str], folders: Folders) -> None:
        self.names, self.folders = names, folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, self.folders) if name in self.names else None


@contextmanager
def _at_home(folders: Folders) -> Iterator[None]:
    """Import as a program in `folders` does; what else a name of theirs stands for comes back
    afterwards."""
    before, names = set(sys.modules), _clashing(folders)
    others = _take(names)
    sys.modules.update(_kept.get(folders, {}))
    finder = _Beside(names, folders)
    sys.meta_path.insert(0, finder)
    sys.path[:0] = folders
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for folder in folders:
            sys.path.remove(folder)
        _brought.update(
            name.partition(".")[0]
            for name in set(sys.modules) - before
            if _lies_in(sys.modules[name], folders)
        )
        _kept[folders] = _take(names)
        sys.modules.update(others)
        # For imports that functions make later
        sys.path.extend(folder for folder in folders if folder not in sys.path)


def _clashing(folders: Folders) -> set[str]:
    """Names that mean another module inside `folders`: ours, and those of what other users' files
    have brought."""
    found = set()
    for name in {HOME.name, *_brought}:
        spec = PathFinder.find_spec(name, folders)
        if spec is None:
            continue
        places = [
            Path(place).resolve()
            for place in ([spec.origin] if spec.origin else spec.submodule_search_locations or [])
        ]
        if not spec.origin and not any(any(place.rglob("*.py")) for place in places):
            continue  # a folder that merely has such a name
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if Path(loaded or ".").resolve() not in places:
            found.add(name)
    return found


def _take(names: set[str]) -> dict[str, ModuleType]:
    """Take modules of these top-level names out of Python's table."""
    return {
        title: sys.modules.pop(title)
        for title in list(sys.modules)
        if title.partition(".")[0] in names
    }


def _lies_in(module: object, folders: Folders) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and any(Path(folder) in Path(file).parents for folder in folders)


def _guarded(
    step: Callable[[], Any], what: str, file: Path, folders: Folders, doing: str = ""
) -> Any:
    """Run the user's code; what it raises becomes one line with its place."""
    try:
        return step()
    except SyntaxError as error:
        raise ValueError(
            f"{what}: {error.filename or file}, line {error.lineno}: must be Python, but: "
            f"{error.msg}"
        ) from None
    except SystemExit as error:
        where = f"{what}: {doing}{_place(error, file, folders)}"
        raise ValueError(
            f"{where}: must not leave the program; put that under if __name__ == '__main__'"
        ) from None
    except Exception as error:
        told = (str(error).strip() or "no message").splitlines()[0]
        # A package of ours that is missing is told as such
        cause = error if isinstance(error, ModuleNotFoundError) else None
        raise ValueError(
            f"{what}: {doing}{_place(error, file, folders)}: {type(error).__name__}: {told}"
        ) from cause


def _place(error: BaseException, file: Path, folders: Folders) -> str:
    """The deepest line of the user's own files."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if any(Path(folder) in Path(frame.filename).parents for folder in folders)
        and "site-packages" not in frame.filename
        and HOME not in Path(frame.filename).parents
    ]
    if not own:
        return str(file)
    name = str(file) if Path(own[-1].filename) == file.resolve() else own[-1].filename
    return f"{name}, line {own[-1].lineno}"


def _check_arguments(found: Callable[..., Any], where: str, arguments: tuple[Any, ...]) -> None:
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        given = (
            f"{len(arguments)} argument{'s' * (len(arguments) != 1)}"
            if arguments
            else "no argument"
        )
        raise ValueError(
            f"{where} must be called with {given}, but it takes {signature}; write a function that "
            "needs no more and calls it"
        ) from None
