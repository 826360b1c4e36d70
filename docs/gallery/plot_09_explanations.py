"""
Why was this recommended?
=========================

A score can be taken apart: by the events of the session, by the parts of the model, and by the
training sessions that are most like it.
"""

# %%
# A model
# -------
# In this invented log sessions stay in one of eight departments, and half of all steps lead to an
# item's successor.
from sessionprompt import make_session_pipeline
from sessionprompt.datasets import make_sessions
from sessionprompt.model_selection import temporal_train_test_split

DEPARTMENTS = ["tea", "coffee", "pottery", "paper", "ink", "books", "lamps", "plants"]

sessions, department_of = make_sessions(
    1500, n_items=120, n_clusters=8, predictability=0.5, return_clusters=True, random_state=0
)
titles = {
    item: f"{DEPARTMENTS[number]} {item.removeprefix('item-')}"
    for item, number in department_of.items()
}
train, test = temporal_train_test_split(sessions, test_size=0.1)
model = make_session_pipeline("gru4rec", dim=32, max_epochs=4, random_state=0).fit(train)

# %%
# One visitor, and the first item on the list:
visitor = next(session[:5] for session in test if len(session) > 5)
table = model.recommend([visitor], k=3, titles=titles)
table

# %%
# By event and by part
# --------------------
# The share of an event is its Shapley value: what it adds on average, over all orders in which the
# events might have come in. Up to eight events this is exact, and the shares add up to the score.
# So do those of the parts: item vectors, cluster prompts, and the weights of items that the
# session has seen.
from sessionprompt.plotting import ExplanationDisplay

first = table["item"][0]
ExplanationDisplay.from_estimator(model, visitor, first, titles=titles)

# %%
# As a table, and with evidence
# -----------------------------
# Given the training sessions, ``explain`` finds those whose vectors are nearest to the visitor's,
# and says what they chose next.
from sessionprompt.explaining import explain

found = explain(model, visitor, first, log=train, n_sessions=4)
found.to_frame()

# %%
evidence = found.to_frame("evidence")
evidence["events"] = [
    ", ".join(titles[item] for item in events[-3:]) for events in evidence["events"]
]
evidence["chosen"] = evidence["chosen"].map(titles)
evidence

# %%
# Not a cause
# -----------
# The sums are exact, and that is all that is promised: they say what the model computes from which
# event, not why the visitor came. An item that was not recommended can be asked for as well, here
# one of another department:
other = next(item for item in model["rec"].items_ if department_of[item] != department_of[first])
ExplanationDisplay.from_estimator(model, visitor, other, titles=titles)
