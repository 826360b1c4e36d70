"""
Logs in which people come back
==============================

Who listens to music plays the same songs again; who looks for a washing machine opens the same
page three times. A network is a poor judge of that, and a few weights, learned on sessions that it
has not seen, are a good one.
"""

# %%
# An evening of music
# -------------------
# Every session picks five songs of one genre and plays them in any order, again and again, with a
# song from elsewhere now and then.
import numpy as np

from sessionprompt import Sessions
from sessionprompt.model_selection import temporal_train_test_split

rng = np.random.default_rng(0)
songs = np.array([[f"genre {genre}, song {song}" for song in range(25)] for genre in range(12)])


def evening():
    favourites = rng.choice(songs[rng.integers(12)], 5, replace=False)
    length = 3 + rng.geometric(0.2)
    played = rng.choice(favourites, length)
    elsewhere = rng.random(length) < 0.15
    return np.where(elsewhere, rng.choice(songs.ravel(), length), played)


sessions = Sessions.from_lists([evening() for _ in range(1200)], times=np.arange(1200))
sessions.describe()["repeat_share"]

# %%
# With and without weights of repeats
# -----------------------------------
# ``repeats="held_out"`` is the default: once the network is trained, its scores on the validation
# sessions are compared with what was chosen there.
from sessionprompt import PromptedSessionRecommender

train, test = temporal_train_test_split(sessions, test_size=0.15)
params = {"prompts": (), "dim": 32, "max_epochs": 4, "random_state": 0}
network = PromptedSessionRecommender("gru4rec", repeats=None, **params).fit(train)
blended = PromptedSessionRecommender("gru4rec", **params).fit(train)

# %%
from sessionprompt.plotting import ComparisonDisplay

ComparisonDisplay.from_estimators(
    {"network alone": network, "with weights of repeats": blended},
    test,
    baseline="network alone",
    metric="mrr@20",
)

# %%
# What has it learned?
# --------------------
# A bonus is added to the score of an item that the session holds already, by how long ago and how
# often it was seen. The last panel says how far the scores of the network are to be trusted at
# all, by the length of the session.
from sessionprompt.plotting import BlendDisplay

BlendDisplay.from_estimator(blended)

# %%
# Who gains?
# ----------
# The gain lies with the targets that repeat. New ones lose a little: a list has so many places,
# and some of them now go to old friends.
import pandas as pd

slices = {
    name: model.evaluate(test, metrics="mrr@20", slices="repeat")["slices"]["repeat"]
    for name, model in {"network alone": network, "with weights": blended}.items()
}
pd.DataFrame(
    {name: {kind: row["mrr@20"] for kind, row in found.items()} for name, found in slices.items()}
)

# %%
# Where a shop wants new things alone, the lists leave out what was seen, and are measured that way
# too.
blended.evaluate(test, metrics="mrr@20", exclude_seen=True)
