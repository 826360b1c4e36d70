"""
Networks and counters together
==============================

A network generalises; counters of what followed what remember exactly. A stack weighs both on
sessions that none of them has seen, and is one estimator.
"""

# %%
# Members
# -------
# Each member is fitted on the older sessions. On the newest ones the stack learns how far each is
# to be trusted, in short sessions and in long ones, and what it means that an item was seen
# before. Then all are fitted anew on everything.
import pandas as pd

from sessionprompt import PromptedSessionRecommender, StackedSessionRecommender
from sessionprompt.baselines import VSKNN, SequentialRules
from sessionprompt.datasets import make_sessions
from sessionprompt.model_selection import temporal_train_test_split

sessions = make_sessions(
    1500, n_items=300, n_clusters=15, predictability=0.35, repeat_rate=0.1, random_state=0
)
train, test = temporal_train_test_split(sessions, test_size=0.15)
network = PromptedSessionRecommender("stamp", prompts=(), dim=32, max_epochs=4)
stack = StackedSessionRecommender(
    [("network", network), ("rules", SequentialRules()), ("neighbours", VSKNN())], random_state=0
).fit(train)

# %%
# Is it worth it?
# ---------------
# The fair opponents are the members with weights of repeats of their own, which a stack of one
# gives them.
models = {"stack": stack}
for name, member in stack.estimators:
    models[name] = StackedSessionRecommender([(name, member)], random_state=0).fit(train)
metrics = ["mrr@20", "recall@20"]
pd.DataFrame({name: model.evaluate(test, metrics=metrics) for name, model in models.items()}).T[
    metrics
].round(3)

# %%
from sessionprompt.plotting import ComparisonDisplay

ComparisonDisplay.from_estimators(models, test, baseline="stack", metric="mrr@20")

# %%
# In this world the last item says most of what comes next, so rules alone are as good at the top
# of the list (the grey interval), and the stack, which need not know that beforehand, finds more
# of the targets within twenty places.

# %%
# Whom does it trust?
# -------------------
# The last panel has a line for each member. After one event the rules count most; the neighbours,
# which compare whole sessions, gain weight with the second event.
from sessionprompt.plotting import BlendDisplay

BlendDisplay.from_estimator(stack)
