"""The tests that docs/testing.md shows pass."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CHAPTER = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


def test_the_tests_of_the_chapter_pass(pytester: pytest.Pytester) -> None:
    blocks = CHAPTER.read_text().split("```python\n")[1:]
    pytester.makepyfile(test_chapter="\n\n".join(block.partition("```")[0] for block in blocks))
    pytester.makeini("[pytest]\nanyio_mode = auto\nfilterwarnings = error\n")
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", "-k", "not MyMuxer")
    outcomes = result.parseoutcomes()
    assert set(outcomes) <= {"passed", "deselected"}, result.stdout.str()
    assert outcomes["passed"] >= 8
