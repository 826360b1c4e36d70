"""
A backbone of your own
======================

The network between item vectors and scores is one class. This one has a single idea, and
everything else, prompts, losses, early stopping, saving, comes with the library.
"""

# %%
# The idea
# --------
# A session is the mean of its items' vectors, in which each event counts less the longer ago it
# is; how much less is learned.
#
# ``x`` has one row for each event of the batch, windows one after another and without padding.
# ``prefix_pairs`` are all prefixes, each with every event of it.
import torch
from torch import Tensor, nn

from sessionprompt.backbones import Backbone
from sessionprompt.batches import SessionBatch


class FadingMean(Backbone):
    """z_t = W sum_p a_p x_p, with a = softmax_p(-decay (t - p)) over the events p up to t."""

    causal = True  # nothing after t matters: one pass over a session serves all its prefixes

    def __init__(self, dim: int, *, decay: float = 0.5) -> None:
        super().__init__(dim)
        self.decay = nn.Parameter(torch.tensor(decay))
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        pairs = batch.prefix_pairs
        ages = batch.ends[pairs.rows] - pairs.columns  # (pairs,)
        weights = pairs.softmax(-self.decay * ages)  # (pairs,)
        return self.out(pairs.sum(weights, x))  # (prefixes, dim)


# %%
# Does it keep its promises?
# --------------------------
# The contract suite tries them: windows are encoded the same alone and in a batch, nothing of the
# future reaches a prefix, repeats and unknown items are allowed, every parameter gets a gradient.
# A broken promise is an ``AssertionError`` that names it.
from sessionprompt.testing import check_backbone

check_backbone(FadingMean)

# %%
# What a broken one looks like: this backbone says that it is causal, and reads the mean of the
# whole window.


class Peeking(FadingMean):
    def forward(self, x: Tensor, batch: SessionBatch) -> Tensor:
        sums = x.new_zeros(len(batch.lengths), x.shape[1]).index_add(0, batch.window, x)
        means = sums / batch.lengths[:, None]
        return self.out(means[batch.window[batch.ends]])


try:
    check_backbone(Peeking)
except AssertionError as error:
    print(error)

# %%
# In use
# ------
# The class is a parameter like any other, with cluster prompts or plain.
import pandas as pd

from sessionprompt import PromptedSessionRecommender, make_session_pipeline
from sessionprompt.datasets import make_sessions
from sessionprompt.model_selection import temporal_train_test_split

sessions = make_sessions(1500, n_items=120, n_clusters=8, predictability=0.5, random_state=0)
train, test = temporal_train_test_split(sessions, test_size=0.15)
models = {
    "fading mean": PromptedSessionRecommender(FadingMean, prompts=(), dim=32, random_state=0),
    "fading mean, prompted": make_session_pipeline(FadingMean, dim=32, random_state=0),
    "STAMP, prompted": make_session_pipeline("stamp", dim=32, random_state=0),
}
metrics = ["mrr@5", "recall@20"]
table = {name: model.fit(train).evaluate(test, metrics=metrics) for name, model in models.items()}
pd.DataFrame(table).T[metrics].round(3)

# %%
# What has it learned? In this world only the newest event says what comes next. An event counts
# about half as much as the one after it; when training began it was six tenths.
import matplotlib.pyplot as plt
import numpy as np

backbone = models["fading mean"].network_.backbone
ages = np.arange(8)
figure, panel = plt.subplots(figsize=(6.4, 3), layout="constrained")
for label, decay in (("when training began", 0.5), ("learned", backbone.decay.item())):
    panel.plot(ages, np.exp(-decay * ages), "o-", label=label)
panel.set_xlabel("events ago")
panel.set_ylabel("weight beside the newest event")
panel.spines[["top", "right"]].set_visible(False)
panel.legend(frameon=False)
plt.show()
