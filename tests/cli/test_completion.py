"""Tab completion, asked of a real bash: verbs and options as such, networks, arrays and folders as
files, names from the rooms."""

import subprocess
from pathlib import Path

import pytest
from commands import call

from polyrhythm.cli import main as program
from polyrhythm.cli.verbs import VERBS
from polyrhythm.sw.data.datasets import DATASETS
from polyrhythm.sw.training.recipes import RECIPES

pytest.importorskip("shtab")
OPTIONS = program.argv_options
CASES = {
    ("",): list(VERBS),
    ("ver",): ["verilog"],
    ("info", ""): ["tiny.safetensors", "folder"],
    ("run", "tiny.safetensors", "--e"): ["--executor"],
    ("run", "tiny.safetensors", "--executor", ""): ["golden", "rtl", "cocotb", "board"],
    ("run", "tiny.safetensors", "--input", ""): ["x.npy", "folder"],
    ("run", "tiny.safetensors", "--trace", ""): ["folder"],
    ("compare", "tiny.safetensors", "--executor", ""): ["rtl", "board"],
    ("run", "tiny.safetensors", "--port", ""): ["sim", "tiny.safetensors", "x.npy", "folder"],
    ("verilog", "tiny.safetensors", "--out", ""): ["folder"],
    ("verilog", "tiny.safetensors", "--coding", ""): ["count", "unary"],
    ("synth", "tiny.safetensors", "--part", "ecp"): ["ecp5-25k", "ecp5-85k"],
    ("completion", ""): ["bash", "zsh", "tcsh"],
}  # fmt: skip


def bash(script: str, *words: str) -> list[str]:
    """What bash offers for the last of `words` behind `polyrhythm`."""
    ask = f"""{script}
        COMP_WORDS=(polyrhythm "$@"); COMP_CWORD=$#; COMPREPLY=()
        [[ $(complete -p polyrhythm) =~ -F\\ ([^ ]+) ]]
        "${{BASH_REMATCH[1]}}" polyrhythm "${{@: -1}}" "${{COMP_WORDS[$#-1]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", ask, "bash", *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_bash_completes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    code, script, err = call(capsys, "completion", "bash")
    assert (code, err) == (0, "")
    for words, wanted in CASES.items():
        assert sorted(bash(script, *words)) == sorted(wanted), words
    assert set(RECIPES) <= set(bash(script, "train", "--recipe", ""))
    Path("digits.py").touch()  # a recipe of one's own
    assert set(bash(script, "train", "--recipe", "digits")) == {
        "digits",
        "digits-lif",
        "digits-mtt",
        "digits.py",
    }
    assert set(DATASETS) <= set(bash(script, "compare", "tiny.safetensors", "--dataset", ""))


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_offered(verb: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = call(capsys, "completion", "bash")[1]
    assert set(bash(script, verb, "--")) >= {
        word for word in OPTIONS(verb) if word.startswith("--")
    }


@pytest.mark.parametrize(
    ("shell", "start"), [("zsh", "#compdef polyrhythm"), ("tcsh", "# AUTOMATICALLY GENERATED")]
)
def test_other_shells_get_theirs(
    shell: str, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, script, _ = call(capsys, "completion", shell)
    assert (
        code == 0 and script.startswith(start) and "to-events" in script and "--executor" in script
    )


def test_zsh_is_not_given_a_pattern_that_it_reads_as_qualifiers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = call(capsys, "completion", "zsh")[1]
    assert (
        "_files -g '*.safetensors'" in script
        and "_files -g '*.npy'" in script
        and "-g '(" not in script
    )


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    text = "argument shell: invalid choice: 'fish' (choose from 'bash', 'zsh', 'tcsh'); see polyrhythm completion --help"
    assert call(capsys, "completion", "fish") == (2, "", f"polyrhythm: {text}\n")
