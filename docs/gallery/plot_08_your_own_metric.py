"""
A metric of your own
====================

A metric is a function with a name. Once it is registered, ``evaluate``, searches and early
stopping know it by that name.
"""

# %%
# What it may read
# ----------------
# The parameters of the function say what it needs: ``ranks`` and ``k``, training counts of the
# targets, whether a target repeats, the lists themselves, and more. Returned is a value for each
# target, or one number for all.
#
# The first one counts what a visitor could not have found by going back: hits among items that the
# session has not seen yet.
from sessionprompt.metrics import register_metric


def discovery(ranks, is_repeat, k):
    return (ranks <= k) & ~is_repeat


register_metric("discovery", discovery)

# %%
# The second is about the shop: the share of places that go to the less popular half of the
# catalogue.
import numpy as np


def tail_share(topk_codes, item_counts, k):
    is_tail = item_counts < np.median(item_counts)
    return is_tail[topk_codes[:, :k]].mean()


register_metric("tail_share", tail_share)

# %%
# In an evaluation
# ----------------
import pandas as pd

from sessionprompt import make_session_pipeline
from sessionprompt.baselines import Popularity, SequentialRules
from sessionprompt.datasets import make_sessions
from sessionprompt.model_selection import temporal_train_test_split

sessions = make_sessions(
    1500, n_items=150, n_clusters=8, predictability=0.4, repeat_rate=0.25, random_state=0
)
train, test = temporal_train_test_split(sessions, test_size=0.15)
models = {
    "popular": Popularity(),
    "rules": SequentialRules(),
    "network": make_session_pipeline("stamp", dim=32, random_state=0),
}
metrics = ["recall@10", "discovery@10", "tail_share@10"]
results = {name: model.fit(train).evaluate(test, metrics=metrics) for name, model in models.items()}
pd.DataFrame(results).T[metrics].round(3)

# %%
# A metric that gives a value for each target works by slices as well. Of those that repeat, none
# is a discovery, as it was defined.
models["network"].evaluate(test, metrics="discovery@10", slices="length")["slices"]

# %%
# In a search
# -----------
# A scorer takes registered metrics along, also to the processes of a search with ``n_jobs``.
from sklearn.model_selection import GridSearchCV

from sessionprompt.metrics import SessionScorer
from sessionprompt.model_selection import TemporalSessionSplit

search = GridSearchCV(
    SequentialRules(),
    {"last_n": [1, 2, 5]},
    cv=TemporalSessionSplit(3),
    scoring=SessionScorer(["discovery@10", "tail_share@10"]),
    refit="discovery@10",
    error_score="raise",
).fit(train)
search.best_params_

# %%
# As the monitor of training
# --------------------------
# Early stopping may follow a metric of ranks, of training counts, or of both. Here: hits on rare
# items.


def rare_hits(ranks, target_counts, k):
    return (ranks <= k) & (target_counts <= 20)


register_metric("rare_hits", rare_hits)
network = make_session_pipeline("stamp", dim=32, monitor="rare_hits@10", random_state=0).fit(train)
pd.DataFrame(network.history_).round(3)

# %%
from sessionprompt.plotting import TrainingCurveDisplay

TrainingCurveDisplay.from_estimator(network)
