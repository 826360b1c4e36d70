"""How the network serves models that ask for more than event rows."""

from __future__ import annotations

import pytest
import torch
from samples import MIXED, N_ITEMS, build, encoded, prefixes, same

from sessionprompt.backbones import Backbone, unit
from sessionprompt.batches import SessionBatch
from sessionprompt.encoding import EncodedSessions, last_prefixes
from sessionprompt.losses import FullSoftmax
from sessionprompt.network import PromptBlend, SessionNetwork
from sessionprompt.scoring import Candidates, scores_against

CLUSTERS = torch.tensor([[0], [1], [1], [0], [-1]])


def network(backbone: Backbone, *, prompted: bool = True, scoring: str = "dot") -> SessionNetwork:
    """A network in float64 whose items have the clusters above."""
    blend = None
    codes = {}
    if prompted:
        blend = PromptBlend(4, {"cluster": 2, "user": 3}, "elementwise")
        codes = {"cluster": CLUSTERS}
    popularity = torch.arange(N_ITEMS).double()
    return (
        SessionNetwork(backbone, N_ITEMS, codes, popularity, blend, prompted, scoring, 0.5)
        .double()
        .eval()
    )


class Doubled(Backbone):
    """Ends of prefixes, and candidates twice as long."""

    causal = True

    def forward(self, x, batch):
        return x[batch.ends]

    def candidates(self, table):
        return 2 * table


@pytest.mark.parametrize("scoring", ["dot", "cosine"])
def test_a_model_may_change_the_candidates_before_they_are_scored(scoring):
    plain = network(Doubled(4), prompted=False, scoring=scoring)
    same(plain.candidate_vectors(), 2 * plain.items if scoring == "dot" else unit(plain.items))
    prompted = network(Doubled(4))
    same(prompted.candidate_vectors(), 2 * prompted.lookup(torch.arange(N_ITEMS)))


def test_items_looked_up_are_prompted_like_inputs_without_a_user():
    one = network(Doubled(4))
    sessions = encoded([list(range(N_ITEMS))])
    nobody = torch.full((N_ITEMS, 1), -1).numpy()
    sessions = EncodedSessions(
        sessions.items,
        sessions.offsets,
        {"cluster": CLUSTERS.numpy(), "user": nobody},
        sessions.first_prefix,
    )
    batch = SessionBatch.collate(last_prefixes(sessions, 50))
    x = one.blend(one.items, batch.prompts)
    same(one.lookup(torch.arange(N_ITEMS)), x)
    plain = network(Doubled(4), prompted=False)
    same(plain.lookup(torch.tensor([3, 3])), plain.items[[3, 3]])


@pytest.mark.parametrize("name", ["gcegnn", "tagnn"])
def test_the_network_trains_and_scores_models_of_both_kinds(name):
    torch.manual_seed(0)
    one = network(build(name), prompted=False)
    batch = prefixes([*MIXED, [-1, -1]], one.backbone.causal)
    loss = FullSoftmax()(one(batch), torch.arange(len(batch)) % N_ITEMS)
    loss.backward()
    assert one.items.grad.isfinite().all()
    with torch.no_grad():
        candidates = Candidates(one.candidate_vectors())
        (rows, part), *more = scores_against(one.states(batch), candidates).blocks()
        scores = part.matrix()
    assert (rows, more) == (slice(0, len(batch)), [])
    log_share = scores[:-2].log_softmax(1)[
        torch.arange(len(batch) - 2), torch.arange(len(batch) - 2) % N_ITEMS
    ]
    alone = FullSoftmax()(
        one(prefixes(MIXED, one.backbone.causal)), torch.arange(len(batch) - 2) % N_ITEMS
    )
    same(alone, -log_share.mean())
