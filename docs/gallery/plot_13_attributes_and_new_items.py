"""
Items that nobody has clicked yet
=================================

A film that came out this morning is in no session, so a model of sessions cannot know it. Its
genres, its year and its description are known: they become prompts, and the film can be
recommended by them.
"""

# %%
# A cinema's catalogue
# --------------------
# One row for each film, invented: genres (several of one film), year and length. The newest 24
# are in no session.
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
GENRES = ["drama", "music", "action", "comedy", "crime", "nature"]
n_films = 120
main = rng.integers(len(GENRES), size=n_films)
second = rng.integers(len(GENRES), size=n_films)
year = np.sort(rng.integers(1990, 2025, n_films))
films = pd.DataFrame(
    {
        "film": [f"Film {number}" for number in range(n_films)],
        "genres": [[GENRES[a], GENRES[b]] for a, b in zip(main, second, strict=True)],
        "year": year,
        "length": rng.normal(100, 15, n_films).round(),
    }
)
films.tail(3)

# %%
# People watch films of one genre in a row, and films of one time:
from sessionprompt import Sessions


def evening(n_known):
    first = rng.integers(n_known)
    near = np.exp(-np.abs(year[:n_known] - year[first]) / 6)
    weights = near * np.where(main[:n_known] == main[first], 1, 0.02)
    weights[first] = 0
    later = rng.choice(n_known, 3, replace=False, p=weights / weights.sum())
    return films["film"][[first, *later]].tolist()


train = Sessions.from_lists([evening(n_films - 24) for _ in range(1200)], times=np.arange(1200))
test = Sessions.from_lists([evening(n_films) for _ in range(300)])

# %%
# Two models
# ----------
# ``ItemAttributes`` makes each column of the table a kind of prompt. With
# ``cold_items="attributes"`` the films without sessions are candidates as well, scored by their
# prompts alone.
from sessionprompt import ItemAttributes, Pipeline, PromptedSessionRecommender

params = {"dim": 32, "max_epochs": 5, "random_state": 0}
plain = PromptedSessionRecommender("stamp", prompts=(), **params).fit(train)

columns = {"genres": "category", "year": "number", "length": "number"}
attributes = ItemAttributes(films, item="film", columns=columns)
recommender = PromptedSessionRecommender(
    "stamp", prompts=tuple(columns), cold_items="attributes", **params
)
aware = Pipeline([("att", attributes), ("rec", recommender)]).fit(train)

# %%
# How well are new films found?
# -----------------------------
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the plain model says that it does not know the new films
    results = {
        name: model.evaluate(test, metrics="recall@10", slices="cold")
        for name, model in {"plain": plain, "with attributes": aware}.items()
    }
rows = {
    name: {"all": result["recall@10"]}
    | {kind: row["recall@10"] for kind, row in result["slices"]["cold"].items()}
    for name, result in results.items()
}
pd.DataFrame(rows).T.round(3)

# %%
# What is cold for one model is unknown to the other:
import matplotlib.pyplot as plt

bars = pd.DataFrame(rows).rename(index={"unknown": "cold"}).groupby(level=0).max()
figure, panel = plt.subplots(figsize=(6.4, 2.8), layout="constrained")
bars.loc[["cold", "warm", "all"]].plot.barh(ax=panel, color=["0.7", "#0072B2"])
panel.set_xlabel("recall@10")
panel.spines[["top", "right"]].set_visible(False)
panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %%
# New films, which the plain model cannot recommend at all, are found now; the others pay for it
# with places that they had to themselves, and lose more here than the new ones bring. It depends
# on the log which side is larger, so measure both.
#
# A place for something new
# -------------------------
# ``min_new`` keeps places in each list for the best of the new items, however the others score.
visitor = test[:1]
aware.recommend(visitor, k=5, min_new=2)

# %%
# The films of tomorrow
# ---------------------
# A table can be replaced without training: what was learned of genres, years and lengths stays.
tomorrow = pd.DataFrame(
    {"film": ["Premiere"], "genres": [["crime", "drama"]], "year": [2024], "length": [104.0]}
)
updated = aware.with_items(pd.concat([films, tomorrow], ignore_index=True))
"Premiere" in updated["rec"].items_, "Premiere" in aware["rec"].items_
