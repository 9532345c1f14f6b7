"""The page on speed shows what was recorded, and says of it what is true."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
import speed_tables

ROOT = speed_tables.ROOT
PAGE = (ROOT / f"{speed_tables.PAGE}.md").read_text("utf-8")
PEERS = json.loads((ROOT / speed_tables.RECORDED / "peers.json").read_text("utf-8"))


@pytest.fixture
def root(tmp_path):
    """A record of one loop, with ratios that can be told apart."""
    rows = [
        {"task": "t", "loop": "gan_utils", "seeds": n, "samples_per_s": [n * 1000.4, 900, 1100], "compile_s": 9.5}
        for n in (1, 32)
    ]
    rows += [
        {"task": "t", "loop": "theirs", "data": data, "samples_per_s": [500, 400, 600]}
        | {"ours_over_theirs": {"1": [one, 1, 9], "32": [many, 20, 40]}}
        for data, one, many in (("as shipped", 6.04, 34.56), ("resident", 5.05, 28.4))
    ]
    how = {"command": "python x.py", "commit": "0123456789abcdef", "date": "2026-01-01", "device": "cpu"}
    how |= {"versions": {"torch": "2", "gan-utils": "0.1.0"}, "threads": 2, "rounds": 5}
    (tmp_path / speed_tables.RECORDED).mkdir(parents=True)
    (tmp_path / speed_tables.RECORDED / "peers.json").write_text(json.dumps({"provenance": how, "rows": rows}))
    return tmp_path


def test_markers_become_what_is_recorded(root):
    text = speed_tables.filled("Before.\n\n<!-- peers: t -->\n\n<!-- peers: made -->\n", root).splitlines()
    assert text[:5] == [
        "Before.",
        "",
        "- `gan_utils`, one seed: 1,000 (900 to 1,100) samples a second; 10 s of compiling, once.",
        "- `gan_utils`, 32 seeds together: 32,013 (900 to 1,100) samples a second; 10 s of compiling, once.",
        "",
    ]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text[5:8]]
    assert cells[0][2:] == [
        f"{n}, {data}" for n in ("one seed", "32 seeds") for data in ("as shipped", "our data path")
    ]
    assert cells[2][:2] == ["theirs", "500"]
    assert cells[2][2:] == ["6.04x (1 to 9)", "5.05x (1 to 9)", "34.6x (20 to 40)", "28.4x (20 to 40)"]
    assert text[-1].startswith("`python x.py`, commit `0123456789`, 2026-01-01; cpu, 2 threads; torch 2; medians")


@pytest.mark.parametrize("marker", ["<!-- unknown: t -->", "<!-- peers: t -->"])
def test_a_marker_without_a_record_is_an_error(tmp_path, marker):
    with pytest.raises((ValueError, OSError), match=r"unknown: \.\.\. --> is no table. There are: peers|peers.json"):
        speed_tables.filled(marker, tmp_path)


def test_every_marker_of_the_page_is_filled():
    text = speed_tables.filled(PAGE, ROOT)
    assert "<!--" not in text and len(re.findall(r"^\| tutorial \|", text, re.MULTILINE)) == 3


def ratios(task, seeds, data):
    """Median ratio of each loop."""
    rows = [row for row in PEERS["rows"] if row["task"] == task and row.get("data") == data]
    return {row["loop"]: row["ours_over_theirs"][str(seeds)][0] for row in rows}


def test_the_record_shows_what_the_page_says():
    assert (
        ratios("ring-32", 32, "as shipped")["tutorial"] >= 20 and ratios("ring-128", 32, "as shipped")["tutorial"] >= 5
    )
    for data in ("as shipped", "resident"):
        assert all(ratios("ring-32", 1, data)[loop] > r > 2 for loop, r in ratios("ring-128", 1, data).items())
    assert all(1 <= r < 1.25 for r in ratios("mnist", 1, "resident").values()), "level, never slower"
    assert any("torchgan" in row["loop"] for row in PEERS["rows"]), "recorded with the library installed"
