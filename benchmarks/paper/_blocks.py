"""What an experiment holds: the blocks of its TOML file, the words that options may name."""

from __future__ import annotations

import argparse
import itertools
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from _data import ON_REQUEST

__all__ = ["asked", "blocks_of", "check_words", "chosen_blocks"]

Block = dict[str, Any]

HERE = Path(__file__).parent
AXES = {  # options, and what of a block each of them names
    "only": "backbones",
    "arms": "arms",
    "sets": "data",
    "protocols": "protocol",
    "inits": "inits",
    "seeds": "seeds",
}


def blocks_of(experiment: str, tier: str) -> list[Block]:
    """Blocks of a tier, one for each data set and protocol, with the searches that they name."""
    searches = tomllib.loads((HERE / "searches.toml").read_text())
    found = []
    for block in tomllib.loads((HERE / f"{experiment}.toml").read_text())[tier]:
        search = searches.get(block.get("search"), {})
        whole = {**block, "grid": {**search.get("grid", {}), **block.get("grid", {})}}
        whole["params"] = {**search.get("params", {}), **block.get("params", {})}
        places = itertools.product(_listed(block["data"]), _listed(block["protocol"]))
        found += [{**whole, "data": data, "protocol": protocol} for data, protocol in places]
    return found


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [value]


def check_words(args: argparse.Namespace, blocks: list[Block]) -> None:
    """End with a word on what is known where an option names what no block holds."""
    for option, axis in AXES.items():
        words = getattr(args, option)
        if words is None:
            continue
        held = [value for block in blocks for value in _listed(block.get(axis, []))]
        known = dict.fromkeys(map(str, held))
        unknown = [word for word in words.split(",") if word not in known]
        if unknown:
            raise SystemExit(
                f"--{option} {words}: {args.experiment} of tier {args.tier} holds no "
                f"{', '.join(map(repr, unknown))}; it holds {', '.join(known)}"
            )


def chosen_blocks(args: argparse.Namespace, blocks: list[Block]) -> list[Block]:
    """Blocks that the options leave in; sets that are to be had on request only if named."""
    named = [
        block
        for block in blocks
        if asked(args.sets, block["data"]) and asked(args.protocols, block["protocol"])
    ]
    if args.sets is None:
        named = [block for block in named if block["data"] not in ON_REQUEST]
    kept = [block for block in named if _has_models(block, args)]
    if not kept:
        raise SystemExit(
            f"{args.experiment} of tier {args.tier} holds nothing that all of these options leave "
            f"in; it holds: {'; '.join(_described(blocks))}"
        )
    return kept


def _has_models(block: Block, args: argparse.Namespace) -> bool:
    """Whether the options leave a value of every axis, or a line without a network."""
    axes = {option: AXES[option] for option in ("only", "arms", "inits", "seeds")}
    return all(
        any(asked(getattr(args, option), str(value)) for value in block.get(axis, [None]))
        for option, axis in axes.items()
    )


def _described(blocks: Iterable[Block]) -> Iterator[str]:
    """Data set, protocol and starts of every block."""
    for block in blocks:
        starts = ",".join(block.get("inits", []))
        yield f"--sets {block['data']} --protocols {block['protocol']} --inits {starts}"


def asked(words: str | None, word: str) -> bool:
    """Whether an option leaves a word in."""
    return words is None or word in words.split(",")
