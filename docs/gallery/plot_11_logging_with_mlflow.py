"""
Logging with MLflow
===================

Training writes what happens into a history, and skorch's callbacks carry it on: to MLflow here, to
Weights & Biases, TensorBoard or Neptune in the same way.
"""

# %%
# A file in the place of a server
# -------------------------------
# The runs of this page go to a database in a temporary folder. A team would give the address of
# its server.
import logging
import tempfile
from pathlib import Path

import mlflow

logging.getLogger("mlflow").setLevel(logging.WARNING)
folder = tempfile.TemporaryDirectory()
mlflow.set_tracking_uri(f"sqlite:///{folder.name}/runs.db")
artifacts = Path(folder.name, "artifacts").as_uri()
experiment = mlflow.set_experiment(
    experiment_id=mlflow.create_experiment("sessions", artifact_location=artifacts)
)

# %%
# One run for each learning rate
# ------------------------------
# ``net_params`` reach the skorch net. MLflow allows no @ in names of metrics; with
# ``metric_names="flat"`` they are written without it, and ``flat_metrics`` does the same to what
# ``evaluate`` returns. The logger would pickle the trained module, too (``create_artifact``); a
# model of this library is better kept by its own ``save``.
from skorch.callbacks import MlflowLogger

from sessionprompt import make_session_pipeline
from sessionprompt.datasets import make_sessions
from sessionprompt.metrics import flat_metrics
from sessionprompt.model_selection import temporal_train_test_split

sessions = make_sessions(1200, n_items=120, n_clusters=8, predictability=0.4, random_state=0)
train, test = temporal_train_test_split(sessions, test_size=0.1)

for lr in (0.0005, 0.005, 0.05):
    with mlflow.start_run(run_name=f"lr {lr}") as run:
        logger = MlflowLogger(run, create_artifact=False, terminate_after_train=False)
        model = make_session_pipeline(
            "stamp",
            dim=16,
            lr=lr,
            refit=False,
            random_state=0,
            net_params={"callbacks": [("mlflow", logger)], "metric_names": "flat"},
        )
        model.fit(train)
        mlflow.log_params({"lr": lr, "backbone": "stamp"})
        mlflow.log_metrics(flat_metrics(model.evaluate(test), prefix="test_"))

# %%
# What was logged
# ---------------
# The figures of all runs as one table:
runs = mlflow.search_runs(order_by=["params.lr"])
columns = ["tags.mlflow.runName", "metrics.train_loss", "metrics.mrr_5", "metrics.test_mrr_5"]
runs[columns].round(4)

# %%
# And the metric of each epoch as it went:
import matplotlib.pyplot as plt

client = mlflow.MlflowClient()
figure, panel = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
for run_id, name in zip(runs["run_id"], runs["tags.mlflow.runName"], strict=True):
    values = [entry.value for entry in client.get_metric_history(run_id, "mrr_5")]
    panel.plot(range(1, len(values) + 1), values, "o-", label=name)
panel.set_xticks(range(1, len(values) + 1))
panel.set_xlabel("epoch")
panel.set_ylabel("mrr@5 on validation")
panel.legend(frameon=False)
plt.show()

# %%
# In so short a training the largest rate of the three is far ahead: something that is seen at a
# glance here, and hardly from three numbers in a terminal.
folder.cleanup()
