"""Report of the lines in a folder: the paper's tables and figures, in Markdown and HTML.

python benchmarks/paper/report.py benchmarks/results/paper/small

It reads the folder's .jsonl files and writes report.md, report.html and the figures beside them. A
file reading.md in the folder, written by hand, comes first in the report, which itself concludes
nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # what all benchmarks share stands one folder up
import _plots
from _lines import Fault, read
from _pages import Block, Drawing, Prose, markdown, page
from _sections import SECTIONS

INTRODUCTION = """
Every table names the files of the lines that it is made of. `sessions` is the split by time: the
newest sessions are tested, and neither clusters nor network have seen any of them. `within_session`
is the split that the paper's released code makes inside every session; only figures under it stand
beside the paper's own.
"""


def main(words: Sequence[str] | None = None) -> None:
    """Report the folder that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of the .jsonl files")
    folder = parser.parse_args(words).folder
    try:
        title, blocks = report(folder)
    except Fault as fault:
        sys.exit(str(fault))
    (folder / "report.md").write_text(markdown(blocks))
    (folder / "report.html").write_text(page(title, blocks))
    for block in blocks:
        if isinstance(block, Drawing):
            (folder / block.name).write_text(block.svg)
    if not _plots.available():
        print(_plots.MISSING, file=sys.stderr)


def report(folder: Path) -> tuple[str, list[Block]]:
    """The title of a folder's report, and all that it says, in order."""
    lines = read(folder)
    every = [*lines.runs, *lines.comparisons, *lines.partitions, *lines.baselines]
    tier = next((line["tier"] for line in every if line.get("tier")), folder.resolve().name)
    title = f"The paper's experiments, tier {tier}"
    blocks: list[Block] = [Prose(f"# {title}"), Prose(INTRODUCTION)]
    if (reading := folder / "reading.md").exists():
        blocks.append(Prose(reading.read_text()))
    for heading, section in SECTIONS.items():
        blocks += [Prose(f"## {heading}"), *(section(lines) or [Prose("Not run.")])]
    return title, blocks


if __name__ == "__main__":
    main()
