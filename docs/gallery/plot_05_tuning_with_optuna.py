"""
Tuning with Optuna
==================

A grid of four parameters has many points, and most of them are poor. Optuna tries those that
resemble what was good before.
"""

# %%
# What a trial is
# ---------------
# A trial fits on the older sessions and is measured on the newer ones. The newest ones are kept
# for the end: no trial sees them.
import optuna

from sessionprompt import make_session_pipeline
from sessionprompt.datasets import make_sessions
from sessionprompt.model_selection import temporal_train_test_split

sessions = make_sessions(1200, n_items=120, n_clusters=8, predictability=0.4, random_state=0)
rest, test = temporal_train_test_split(sessions, test_size=0.15)
train, valid = temporal_train_test_split(rest, test_size=0.15)

same = {"dim": 16, "max_epochs": 2, "validation_fraction": None, "random_state": 0}


def mrr_of(trial):
    model = make_session_pipeline(
        trial.suggest_categorical("backbone", ["stamp", "core", "gru4rec"]),
        resolution=trial.suggest_float("resolution", 0.1, 10, log=True),
        lr=trial.suggest_float("lr", 1e-3, 3e-2, log=True),
        temperature=trial.suggest_float("temperature", 0.03, 0.3, log=True),
        **same,
    )
    return model.fit(train).score(valid, metric="mrr", k=5)


# %%
# ``validation_fraction=None`` trains two epochs on everything that it is given, which is quick;
# the trial's own sessions are the judge.
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(mrr_of, n_trials=16)
study.best_params

# %%
# What mattered?
# --------------
# The backbone and the learning rate: two epochs are few, and small steps do not get far in them.
# The resolution hardly matters in this log.
columns = ["value", "params_backbone", "params_lr", "params_resolution", "params_temperature"]
study.trials_dataframe()[columns].sort_values("value", ascending=False).round(4)

# %%
import matplotlib.pyplot as plt

figure, panels = plt.subplots(1, 3, figsize=(8, 2.8), sharey=True, layout="constrained")
for panel, name in zip(panels, ["lr", "temperature", "resolution"], strict=True):
    panel.scatter(
        [trial.params[name] for trial in study.trials], [trial.value for trial in study.trials]
    )
    panel.set_xscale("log")
    panel.set_xlabel(name)
panels[0].set_ylabel("mrr@5 on newer sessions")
plt.show()

# %%
# The answer
# ----------
# The best trial is the best of sixteen looks at the same sessions, so its value flatters it. The
# parameters are fitted once more, on all sessions before the test, and measured there beside the
# defaults.
tuned = make_session_pipeline(**study.best_params, **same).fit(rest)
default = make_session_pipeline(**same).fit(rest)
{"best of its trial": study.best_value, "tuned": tuned.score(test), "default": default.score(test)}
