"""That what is pinned, declared and generated agrees."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def declared() -> Iterator[Requirement]:
    """All that pyproject.toml asks for, whatever it is for."""
    project = PROJECT["project"]
    lists = [
        project["dependencies"],
        PROJECT["build-system"]["requires"],
        *project["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    return (Requirement(text) for names in lists for text in names)


def pins() -> dict[str, Version]:
    """The versions in constraints.txt, by canonical name."""
    lines = [line.strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    found: dict[str, Version] = {}
    for line in lines:
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([\w.-]+)==([\w.]+)", line)
            assert match, f"constraints.txt: expected NAME==VERSION, got {line!r}"
            found[canonicalize_name(match[1])] = Version(match[2])
    return found


def test_every_declared_package_is_pinned_to_a_version_that_is_allowed() -> None:
    pinned = pins()
    for requirement in declared():
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is declared in pyproject.toml and not pinned in constraints.txt"
        assert requirement.specifier.contains(pinned[name]), (
            f"constraints.txt has {name} {pinned[name]}, not {requirement}"
        )


def test_the_package_says_that_it_is_typed_and_under_which_licences() -> None:
    assert (ROOT / "src/p2pstack/py.typed").exists()
    for name in PROJECT["project"]["license-files"]:
        assert "The p2pstack authors" in (ROOT / name).read_text()


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in [ROOT / "README.md", ROOT / ".ci/run", *ROOT.glob("docs/**/*.md"), *ROOT.glob("interop/*.md")]:
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", path.read_text(), re.MULTILINE))
        assert named <= targets, f"{path.relative_to(ROOT)} names {named - targets}"
