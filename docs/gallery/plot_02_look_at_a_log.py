"""
What is in my log?
==================

Before any training, a log says much about what a model can reach: how long sessions are, how often
people come back to an item, and how far the next item is from what has been seen before.
"""

# %%
# A log with flaws
# ----------------
# Two weeks of clicks on a large catalogue, in which one step of five repeats an item. Some rows
# are there twice, as in many exports.
import pandas as pd

from sessionprompt.datasets import make_events

events = pd.DataFrame(
    make_events(
        3000,
        n_items=1500,
        n_clusters=30,
        mean_length=4,
        predictability=0.3,
        repeat_rate=0.2,
        n_users=900,
        n_days=14,
        random_state=0,
    )
)
events = pd.concat([events, events.sample(frac=0.02, random_state=0)])
events.tail(3)

# %%
# What do the filters take?
# -------------------------
# Rare items and sessions of one event are left out, again and again until nothing changes: without
# a rare item a session may become too short. The report says what each step has left, so that a
# loss of half the log does not go unseen.
from sessionprompt import Sessions

sessions = Sessions.from_events(
    events,
    user="user",
    item="item",
    time="time",
    gap="30min",
    duplicates="drop",
    min_length=2,
    min_item_support=3,
    until_stable=True,
)
sessions.report

# %%
# What is left?
# -------------
# ``repeat_share`` is the share of targets that their session has seen already, ``cold_share`` the
# share of the newest tenth's targets whose item no older session holds: a model that knows items
# by their clicks alone cannot find these.
sessions.describe()

# %%
# How far away are the targets?
# -----------------------------
# Each target of the newest sessions falls into one of five kinds. Counting what followed what
# finds those one step away from an item of their session; for two steps a model has to generalise;
# and of what is farther, popularity is all there is to know.
from sessionprompt.model_selection import temporal_train_test_split
from sessionprompt.plotting import ReachDisplay

train, test = temporal_train_test_split(sessions, test_size=0.1)
shown = ReachDisplay.from_sessions(train, test)
shown

# %%
# The same as numbers:
pd.Series(shown.shares).round(3)

# %%
# Was it worth knowing? Of the targets that do not repeat, about two of three are one step away. A
# baseline that counts which item follows which has six of ten among its first twenty: nearly all
# that it can reach. The rest is the room for a model that generalises.
from sessionprompt.baselines import SequentialRules

rules = SequentialRules().fit(train)
rules.evaluate(test, metrics="recall@20", slices="repeat")
