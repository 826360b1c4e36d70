"""TAGNN against what target attention must give in special cases."""

from __future__ import annotations

import torch
from samples import MIXED, build, prefixes, same, vectors, whole


def test_a_single_event_has_all_the_attention():
    model = build("tagnn")
    table = vectors()
    with torch.no_grad():
        scored = model(table[:1], whole([[0]]))
        same(scored.scores(table), (scored.states + scored.values[scored.node]) @ table.T)


def test_attention_to_everything_alike_is_a_mean():
    model = build("tagnn")
    table = vectors()
    torch.nn.init.zeros_(model.target.weight)
    batch = prefixes(MIXED, True)
    with torch.no_grad():
        scored = model(table[batch.items], batch)
        events = scored.visits.double().unsqueeze(1)
        total = torch.zeros_like(scored.states).index_add(
            0, scored.prefix, scored.values[scored.node] * events
        )
        mean = total / torch.zeros(len(batch), 1).double().index_add(0, scored.prefix, events)
        same(scored.scores(table), (scored.states + mean) @ table.T)
