"""
Lists fit for a shop
====================

The ten best scores are not always the best ten places: they may be ten of a kind, or hold what is
sold out. Rules cost some recall; this page shows what a list gains for it.
"""

# %%
# A model, and a list that is all of a kind
# -----------------------------------------
import numpy as np
import pandas as pd

from sessionprompt import make_session_pipeline
from sessionprompt.datasets import make_sessions
from sessionprompt.model_selection import temporal_train_test_split

DEPARTMENTS = ["tea", "coffee", "pottery", "paper", "ink", "books", "lamps", "plants"]

sessions, department_of = make_sessions(
    1800,
    n_items=240,
    n_clusters=8,
    predictability=0.3,
    cluster_stay=0.7,
    return_clusters=True,
    random_state=0,
)
titles = {
    item: f"{DEPARTMENTS[number]} {item.removeprefix('item-')}"
    for item, number in department_of.items()
}
train, test = temporal_train_test_split(sessions, test_size=0.15)
model = make_session_pipeline("stamp", dim=32, random_state=0).fit(train)
visitor = [test[0][:3]]
model.recommend(visitor, k=8, titles=titles)

# %%
# The same visitor, with rules
# ----------------------------
# What is sold out does not come; of one department there are at most three; and each of the places
# left goes to what is good and unlike what stands above it (maximal marginal relevance).
from sessionprompt.reranking import RerankedRecommender

sold_out = ["item-001", "item-002"]
groups = {item: DEPARTMENTS[number] for item, number in department_of.items()}
shop = RerankedRecommender(
    model, exclude_items=sold_out, max_per_group=3, groups=groups, diversify=0.2
)
shop.recommend(visitor, k=8, titles=titles)

# %%
# The price
# ---------
# Lists of ten for all test sessions without their last item: how often is that item in the list,
# and how many departments are?
inputs, targets, _ = test.split_last()
lists = {"no rule": model.predict_topk(inputs, k=10)}
for most in (5, 3, 2):
    rules = RerankedRecommender(model, max_per_group=most, groups=groups)
    lists[f"at most {most} of a department"] = rules.predict_topk(inputs, k=10)
for share in (0.2, 0.4, 0.6, 0.8):
    rules = RerankedRecommender(model, diversify=share)
    lists[f"diversify={share}"] = rules.predict_topk(inputs, k=10)


def departments_in(items):
    return np.mean([len({department_of[item] for item in row}) for row in items])


figures = {
    name: {
        "recall@10": (items == targets[:, None]).any(axis=1).mean(),
        "departments": departments_in(items),
    }
    for name, items in lists.items()
}
table = pd.DataFrame(figures).T.round(3)
table

# %%
import matplotlib.pyplot as plt

figure, panel = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for start, marker, place in (("no", "*", 4), ("at most", "o", -12), ("diversify", "s", 4)):
    rows = table[table.index.str.startswith(start)]
    panel.plot(rows["departments"], rows["recall@10"], marker)
    for name, row in rows.iterrows():
        point = (row["departments"], row["recall@10"])
        panel.annotate(name, point, (5, place), textcoords="offset points", fontsize=8)
panel.set_xlabel("departments in a list of ten")
panel.set_ylabel("recall@10")
panel.margins(x=0.25)
plt.show()

# %%
# For lists of about four departments diversity is the cheaper way here: it keeps more recall than a
# hard limit. A little of it even gains, as three of ten draws leave the department of the session.
