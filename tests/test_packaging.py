"""Bounds of dependencies, and what a release must hold."""

from __future__ import annotations

import re
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
from house import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BOUND = re.compile(r"([\w-]+)(?:\[\w+\])?(?:>=([\d.]+))?")
PIN = re.compile(r"^([\w-]+)==([\d.]+)$", re.MULTILINE)


def numbers(version: str) -> list[int]:
    """Numbers of a version; zeros at its end say nothing."""
    found = [int(part) for part in version.split(".")]
    while found and not found[-1]:
        found.pop()
    return found


def test_the_lowest_pins_are_the_lower_bounds() -> None:
    project = PROJECT["project"]
    requirements = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        requirements.extend(extra)
    bounds = dict(BOUND.match(one).groups() for one in requirements)  # type: ignore[union-attr]
    expected = {name: numbers(bound) for name, bound in bounds.items() if bound is not None}
    pins = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8")
    assert {name: numbers(version) for name, version in PIN.findall(pins)} == expected


@pytest.mark.parametrize("module", PROJECT["tool"]["setuptools"]["ext-modules"])
def test_the_wheel_is_tagged_for_all_pythons_that_a_module_serves(module: dict[str, Any]) -> None:
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=").replace(".", "")
    assert module["py-limited-api"]
    assert PROJECT["tool"]["distutils"]["bdist_wheel"]["py_limited_api"] == f"cp{oldest}"
    source = (ROOT / module["sources"][0]).read_text(encoding="utf-8")
    assert f"#define Py_LIMITED_API 0x03{int(oldest[1:]):02X}0000" in source


def test_modules_are_built_anew_when_a_header_changes() -> None:
    modules = PROJECT["tool"]["setuptools"]["ext-modules"]
    listed = {Path(header).name for module in modules for header in module["depends"]}
    assert listed == {path.name for path in (ROOT / "sessionprompt" / "kernels").glob("*.h")}


def test_classifiers_begin_with_the_oldest_python() -> None:
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    named = [one.rpartition(" :: ")[2] for one in PROJECT["project"]["classifiers"]]
    versions = [one for one in named if re.fullmatch(r"3\.\d+", one)]
    assert versions[0] == oldest
    assert sysconfig.get_python_version() in versions


def test_the_wheel_leaves_out_the_source_of_the_module() -> None:
    left_out = PROJECT["tool"]["setuptools"]["exclude-package-data"]
    assert {"*.c", "*.h"} <= set(left_out["*"])  # a package's own name leaves out nothing below it
