"""The table of the house counts what it says: lines, parameters, and lists that an addition leaves stale."""

from pathlib import Path

from benchmarks.house_table import functions_of, places, stale_lists


def written(folder: Path, text: str) -> Path:
    path = folder / "module.py"
    path.write_text(text)
    return path


def test_functions_are_measured_with_their_decorators_and_without_self(tmp_path):
    path = written(tmp_path, "class A:\n    @property\n    def b(self, c, *, d):\n        return c\n\n\ndef e(): ...\n")
    assert sorted(functions_of(path, tmp_path)) == [("module.py:b", 3, 2), ("module.py:e", 1, 0)]


def test_a_list_is_stale_that_has_all_but_the_new_name(tmp_path):
    names = {"one", "two"}
    for stale in ('("one", "two")', '["two", "one"]', '{"one": 1, "two": 2}', '"one or two"', 'f"one, two {1}"'):
        written(tmp_path, f"x = 1\ny = {stale}\n")
        assert stale_lists(tmp_path, names, "three") == ["module.py:2"], stale
    for current in ('("one", "two", "three")', '("one", "twofold")', '(("one",), ("two",))', '"one, two or three"'):
        written(tmp_path, f"x = 1\ny = {current}\n")
        assert stale_lists(tmp_path, names, "three") == [], current


def test_neighboring_lines_are_one_place():
    assert places("a\na\nb\nb\nb\na\n", "a") == 2
