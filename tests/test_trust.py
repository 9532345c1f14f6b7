"""The page on trust says which test holds which promise; those tests must exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", (ROOT / "book" / "trust.md").read_text("utf-8"), re.MULTILINE)
PROMISES = {promise: named for promise, named in ROWS if not promise.startswith(("Promise", "---"))}


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_names_tests_that_exist(promise):
    named = re.findall(r"`(tests/\w+\.py)::(\w+)`", PROMISES[promise])
    assert named, "no test holds it"
    for file, test in named:
        assert re.search(rf"^def {test}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), f"{file}::{test}"


def test_there_are_promises():
    assert len(PROMISES) >= 10
