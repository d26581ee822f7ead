"""The bugs that are planted still fit the code; that each is caught is seen by `make planted`,
which takes minutes."""

import pytest
from planted import REPO, TABLE, file_of, files_of, planted, table
from planted_bugs import BUGS, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.what)
def test_a_bug_changes_its_file_and_names_its_tests(bug: Bug) -> None:
    changed = planted(REPO, bug)
    assert changed != file_of(REPO, bug).read_text()
    compile(changed, bug.file, "exec")
    assert all((REPO / test).exists() for test in files_of(bug))


def test_there_are_bugs_of_many_kinds() -> None:
    assert len({bug.what for bug in BUGS}) == len(BUGS) >= 25
    assert len({bug.file for bug in BUGS}) >= 15


def test_text_that_has_moved_is_told() -> None:
    gone = BUGS[0]._replace(old="no such text")
    with pytest.raises(
        ValueError,
        match=r"^hw/stream/aligner\.py: 'no such text' must stand there once, not 0 times; bring planted_bugs\.py up to date$",
    ):
        planted(REPO, gone)


def test_the_page_lists_every_bug_and_a_test_for_each() -> None:
    rows = [
        line.strip("| ").split(" | ")
        for line in TABLE.read_text().splitlines()
        if line.startswith("| ")
    ][1:]
    caught = {what: test.strip("`") for what, _, test in rows}
    assert TABLE.read_text() == table(caught)
    assert "NO TEST" not in TABLE.read_text()
