"""
Comparing models honestly
=========================

Two models differ by half a percent: is that a difference? Both have answered the same sessions, so
their gains can be paired session by session, and resampling the sessions says how sure the sum is.
"""

# %%
# Four models, one test
# ---------------------
# All learn from the same sessions and rank the same targets among all items.
import pandas as pd

from sessionprompt import PromptedSessionRecommender, make_session_pipeline
from sessionprompt.baselines import VSKNN, SequentialRules
from sessionprompt.datasets import make_sessions
from sessionprompt.model_selection import temporal_train_test_split

sessions = make_sessions(1600, n_items=300, n_clusters=15, predictability=0.2, random_state=0)
train, test = temporal_train_test_split(sessions, test_size=0.15)

params = {"dim": 32, "max_epochs": 3, "random_state": 0}
models = {
    "rules": SequentialRules().fit(train),
    "neighbours": VSKNN().fit(train),
    "network": PromptedSessionRecommender("stamp", prompts=(), **params).fit(train),
    "network with clusters": make_session_pipeline("stamp", **params).fit(train),
}
metrics = ["mrr@20", "recall@20"]
table = {name: model.evaluate(test, metrics=metrics) for name, model in models.items()}
pd.DataFrame(table).T[metrics].round(4)

# %%
# Paired differences
# ------------------
# A grey interval holds zero: on other sessions of the same kind the order might turn around. The
# intervals are those of the difference, which is surer than either model's own figure, because
# hard sessions are hard for both.
from sessionprompt.plotting import ComparisonDisplay

shown = ComparisonDisplay.from_estimators(models, test, baseline="network", metric="mrr@20")
shown

# %%
# Rules win in this world, where the last item says most of what comes next, and clusters help the
# network by more than the luck of the sample. Between the plain network and the neighbours this
# test cannot tell, in this metric.
#
# Three comparisons are three chances to be lucky. Holm's adjustment raises the p-values
# accordingly.
from sessionprompt.comparison import holm

adjusted = holm([one.p_value for one in shown.comparisons.values()])
pd.Series(adjusted, index=list(shown.comparisons), name="adjusted p")

# %%
# How much is luck of the seed?
# -----------------------------
# An interval over sessions does not know that a network with another seed is another network.
# ``paired_bootstrap`` takes one side with several seeds against one model, and says with how many
# of them it was better.
from sessionprompt.comparison import paired_bootstrap

params["random_state"] = 1
again = make_session_pipeline("stamp", **params).fit(train)
seeds = [models["network with clusters"].ranks(test), again.ranks(test)]
paired_bootstrap(seeds, models["network"].ranks(test), "mrr@20", random_state=0)

# %%
# Where does it come from?
# ------------------------
from sessionprompt.plotting import SliceDisplay

SliceDisplay.from_estimator(
    models["network with clusters"], test, metric="mrr@20", slices=["length", "popularity"]
)
