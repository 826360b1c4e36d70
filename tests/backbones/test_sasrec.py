"""SASRec beside torch's own transformer, session by session and without padding."""

from __future__ import annotations

import pytest
import torch
from samples import MIXED, build, prefixes, run, same, vectors, whole
from torch import Tensor, nn

from sessionprompt.backbones import SASRec

N_HEADS = 2


def dense(model: SASRec, events: Tensor) -> Tensor:
    """States (n, d) of one session of event vectors (n, d), by torch's layers."""
    d = events.shape[1]
    state = events + model.positions[: len(events)]  # (n, d)
    if not model.norm_first:
        state = model.norm(state)  # (n, d)
    later = torch.ones(len(events), len(events)).triu(1).bool()  # (n, n)
    for block in model.blocks:
        layer = nn.TransformerEncoderLayer(
            d,
            N_HEADS,
            len(block.widen.weight),
            activation="gelu",
            layer_norm_eps=1e-12,
            batch_first=True,
            norm_first=model.norm_first,
        )
        weights = {
            "self_attn.in_proj_": block.qkv,
            "self_attn.out_proj.": block.mix,
            "linear1.": block.widen,
            "linear2.": block.narrow,
            "norm1.": block.norms[0],
            "norm2.": block.norms[1],
        }
        named = {
            f"{name}{part}": getattr(mine, part)
            for name, mine in weights.items()
            for part in ("weight", "bias")
        }
        layer.load_state_dict(named)
        state = layer.double().eval()(state.unsqueeze(0), src_mask=later)[0]  # (n, d)
    if model.norm_first:
        state = model.norm(state)  # (n, d)
    return state


@pytest.mark.parametrize("norm_first", [False, True])
def test_states_are_those_of_torchs_layers(norm_first: bool) -> None:
    model = build("sasrec", n_heads=N_HEADS, inner=6, norm_first=norm_first)
    table = vectors()
    expected = [dense(model, table[session]) for session in MIXED]
    same(run(model, whole(MIXED), table), torch.stack([states[-1] for states in expected]))
    same(run(model, prefixes(MIXED, True), table), torch.cat(expected))


def test_longer_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="n_positions=3 is less than the 4 events of a window"):
        run(build("sasrec", n_positions=3), whole([[0, 1, 2, 3]]), vectors())
