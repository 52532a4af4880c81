"""The code printed in README.md and docs/ runs as it stands there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def code_of(path: Path) -> list[str]:
    """The Python blocks of a document, each padded so that a traceback names the right line."""
    text = path.read_text()
    return ["\n" * text.count("\n", 0, match.start(1)) + match.group(1) for match in FENCED.finditer(text)]


DOCUMENTS = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if code_of(path)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_code_of_a_document_runs_in_its_order(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "document"}
    for block in code_of(path):
        exec(compile(block, str(path), "exec"), names)


def test_there_is_a_document_to_run() -> None:
    assert ROOT / "docs" / "tutorial.md" in DOCUMENTS
