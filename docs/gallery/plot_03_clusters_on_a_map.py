"""
Clusters on a map
=================

Items that are seen next to each other form clusters, without anybody having named them. Here they
are on a map of the item vectors that a network has learned, with the way of one visitor through
it.
"""

# %%
# A shop of eight departments
# ---------------------------
# The log is invented, and with it its truth: every item belongs to a department, most steps stay
# in one, and three of ten lead to a fixed successor. The model sees the clicks alone.
from sessionprompt import make_session_pipeline
from sessionprompt.datasets import make_sessions

DEPARTMENTS = ["tea", "coffee", "pottery", "paper", "ink", "books", "lamps", "plants"]

sessions, department_of = make_sessions(
    2500,
    n_items=160,
    n_clusters=8,
    predictability=0.3,
    cluster_stay=0.85,
    n_users=300,
    return_clusters=True,
    random_state=0,
)
titles = {
    item: f"{DEPARTMENTS[number]} {item.removeprefix('item-')}"
    for item, number in department_of.items()
}

# %%
# The clusterer of the pipeline makes its clusters at three resolutions; the first, coarsest one is
# shown here.
model = make_session_pipeline("gru4rec", dim=32, max_epochs=4, random_state=0).fit(sessions)
clusterer = model["clu"]
clusters = clusterer.describe(titles, n_top=4)
clusters[clusters["resolution"] == 0]

# %%
# The departments come back from the clicks alone. An adjusted Rand index of 1 would be full
# agreement, and 0 is what chance gives.
from sklearn.metrics import adjusted_rand_score

items = clusterer.vocabulary_.ids
adjusted_rand_score([department_of[item] for item in items], clusterer.labels_[:, 0])

# %%
# The map
# -------
# t-SNE lays the item vectors out so that neighbours stay neighbours. The white circles are the
# visitor's events in their order, the stars what the model recommends.
from sessionprompt.plotting import ClusterMapDisplay

visitor = sessions[-1][:4]
ClusterMapDisplay.from_estimator(model, titles=titles, session=visitor, k=5)

# %%
# The flow
# --------
# How often do sessions go from one cluster to another? A row adds up to 100 %. Most steps stay, as
# they were made to; a cluster that leaks much into another would be a hint that the two belong
# together.
from sessionprompt.plotting import ClusterFlowDisplay

ClusterFlowDisplay.from_estimator(model, sessions, titles=titles)
