"""
A first model
=============

From a table of events to recommendations: sessions, a split by time, a model, its quality, and
lists for new visitors.
"""

# %%
# The log
# -------
# Any table with one row per event will do, of pandas, polars or pyarrow: who, what, when. This one
# is invented; in its world items belong to clusters, and four of ten steps lead to an item's fixed
# successor.
import pandas as pd

from sessionprompt.datasets import make_events

events = pd.DataFrame(
    make_events(2500, n_items=150, n_clusters=8, predictability=0.4, n_users=400, random_state=0)
)
events = events[["user", "item", "time"]]
events.head()

# %%
# A visit ends where a user pauses for more than half an hour. Visits of a single event tell
# nothing of what follows what, and are left out.
from sessionprompt import Sessions

sessions = Sessions.from_events(
    events, user="user", item="item", time="time", gap="30min", min_length=2
)
sessions

# %%
# The model
# ---------
# The newest tenth of the sessions is for testing, as in service: a model learns from the past and
# answers today.
#
# A session pipeline is two steps: clusters of items that are seen next to each other, and a
# recurrent network that reads items and clusters together. It chooses its best epoch on the newest
# of the training sessions and then learns those too.
from sessionprompt import make_session_pipeline
from sessionprompt.model_selection import temporal_train_test_split

train, test = temporal_train_test_split(sessions, test_size=0.1)
model = make_session_pipeline("gru4rec", dim=32, random_state=0).fit(train)

# %%
from sessionprompt.plotting import TrainingCurveDisplay

TrainingCurveDisplay.from_estimator(model)

# %%
# How good is it?
# ---------------
# Every event of a test session but the first is a target, and is ranked among all items. Recall@5
# is the share of targets that stand among the first five; the mean reciprocal rank (MRR) looks at
# where. Popular items are the least that a model has to beat.
from sessionprompt.baselines import Popularity

popular = Popularity().fit(train)
metrics = ["recall@5", "recall@20", "mrr@20"]
quality = {
    "most popular items": popular.evaluate(test, metrics=metrics),
    "this model": model.evaluate(test, metrics=metrics),
}
pd.DataFrame(quality).T[metrics].round(3)

# %%
# What would visitors like next?
# ------------------------------
# Ids go in as they are in the log, and come out so. A table has one row for each item of each
# list; ``predict`` and ``predict_topk`` give arrays.
visitors = [session[:3] for session in test[:2]]
visitors

# %%
model.recommend(visitors, k=5)

# %%
# Keep it
# -------
# A model is one file without pickle, which is safe to load wherever it comes from.
import tempfile
from pathlib import Path

import sessionprompt

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "model.zip")
    model.save(path)
    loaded = sessionprompt.load(path)
bool((loaded.predict(visitors) == model.predict(visitors)).all())
