"""Picture of the README: clusters of an invented shop, a visitor's way, and recommendations.

python docs/images/cluster_map.py        # writes cluster_map.png beside this file
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from sessionprompt import make_session_pipeline
from sessionprompt.datasets import make_sessions
from sessionprompt.plotting import ClusterMapDisplay

DEPARTMENTS = ["tea", "coffee", "pottery", "paper", "ink", "books"]


def main() -> None:
    """Fit, draw, and write the picture."""
    sessions, department_of = make_sessions(
        3000,
        n_items=180,
        n_clusters=6,
        predictability=0.3,
        cluster_stay=0.85,
        n_users=400,
        return_clusters=True,
        random_state=0,
    )
    titles = {}
    for item, department in department_of.items():
        titles[item] = f"{DEPARTMENTS[department]} {item.removeprefix('item-')}"
    model = make_session_pipeline("gru4rec", dim=32, max_epochs=4, random_state=0).fit(sessions)
    figure = Figure(figsize=(8.6, 5), layout="constrained")
    axes = figure.subplots()
    visitor = sessions[-1][:4]
    ClusterMapDisplay.from_estimator(model, titles=titles, session=visitor, k=3, ax=axes)
    axes.set_aspect("auto")  # as wide as the page
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=130, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main()
