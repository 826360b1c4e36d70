"""The estimator: fit on sessions, recommend next items, score exactly."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator

from ._checks import check_fitted
from ._parameters import check_parameters, seed_of
from .base import SessionRecommenderMixin, warn_of_unknown
from .encoding import (
    EncodedSessions,
    Examples,
    NextItemTargets,
    PrefixData,
    SessionEncoder,
    last_prefixes,
)
from .metrics import RankedTargets
from .model_selection import temporal_train_test_split
from .network import (
    SessionNetwork,
    empty_network,
    one_pass_of,
    rank_sessions,
    registered_name,
    top_items,
)
from .sessions import Sessions, as_sessions
from .storage import ArrayStore, from_json, pack_params, save, to_json, unpack_params

__all__ = ["PromptedSessionRecommender"]

LEARNED = ("history_", "n_epochs_", "best_epoch_", "best_score_", "stop_reason_")


class PromptedSessionRecommender(SessionRecommenderMixin, BaseEstimator):
    """Neural next-item recommender whose inputs carry learned prompts.

    A session model (the backbone) reads the items of a session, each blended with prompts: learned
    vectors of the item's cluster, of the session's user, of the session itself. Every prefix of a
    training session is an example; the loss is the softmax over all known items. The model knows
    the items it is fitted on; an unknown item enters as a blank (a zero vector) plus its cluster's
    prompt, and a session of which nothing at all is known is answered by popularity, with a
    warning.

    Parameters
    ----------
    backbone : str or callable, default="gru4rec"
        Name of a session model (see :data:`sessionprompt.backbones.BACKBONES`), a subclass of
        :class:`~sessionprompt.backbones.Backbone`, or a factory called as ``backbone(dim,
        **backbone_params)``.
    prompts : tuple of {"cluster", "user", "session"}, default=("cluster",)
        Prompt kinds; ``()`` is the plain backbone. Clusters need sessions annotated by an
        :class:`~sessionprompt.clustering.ItemClusterer`, which a Pipeline does.
    gate : {"add", "elementwise", "scalar", "none"}, default="add"
        How prompts and item embeddings are blended, see
        :class:`~sessionprompt.prompts.PromptBlend`.
    prompt_candidates : bool, default=True
        Whether the scored items carry their cluster prompts too.
    scoring : {"cosine", "dot"}, default="cosine"
        A backbone that is defined with a scoring of its own overrules this.
    temperature : float, default=0.07
        Divides cosine scores.
    dim : int, default=64
        Size of item embeddings, prompts and session embeddings.
    backbone_params : dict, optional
        Further parameters of the backbone.
    init : {"graph", "normal", "reference"}, default="graph"
        Where the item table starts: ``"graph"`` at a spectral embedding of who stands next to whom
        in the training sessions, clusters at the mean of their items, see
        :func:`~sessionprompt.initialization.graph_vectors`; ``"normal"`` at random, N(0, 1/dim);
        ``"reference"`` items, prompts and gates as the published code of the backbone starts them,
        often much shorter. From the graph, training needs a fraction of the epochs.
    max_length : int, default=50
        Events of a session that the backbone sees: the newest ones.
    prefixes : {"auto", "one_pass", "expanded"}, default="auto"
        Whether one pass over a session serves all its prefixes (exact for causal backbones) or each
        prefix is encoded anew; ``"auto"`` takes one pass where the backbone allows it.
    batch_size : int, default=512
        Prefixes that are read at a time, in training and later.
    accumulate : int, default=1
        Batches whose gradients make one step: a step then learns from ``accumulate * batch_size``
        prefixes, with the memory of `batch_size`.
    lr : float, default=0.001
        Learning rate of Adam.
    lr_schedule : {"constant", "linear"}, default="constant"
        ``"linear"`` lowers the rate step by step to zero at the end of `max_epochs`.
    weight_decay : float, default=0.0
        Added to the gradients as this share of the weights.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the factors in the products of the training loss; sums, gradients and all scores are
        float32. ``"auto"`` is bfloat16 where the processor has it built in, which halves the time
        of the loss.
    n_negatives : int, optional
        Instead of all items, rank a target in training among so many drawn ones and the targets of
        its batch, see :class:`~sessionprompt.sampling.SampledSoftmax`. For large catalogues: a step
        then costs the same however many items there are. None is the full softmax.
    negatives_power : float, default=0.5
        Negatives are drawn in proportion to popularity to this power.
    max_epochs : int, default=30
    patience : int or None, default=3
        Epochs without a better `monitor` before training stops; None trains all `max_epochs`. The
        weights of the best epoch are restored.
    monitor : str, default="mrr@5"
        Metric on the validation sessions.
    validation_fraction : float or None, default=0.1
        Share of the sessions, the newest ones, held out for validation; None trains on everything,
        without early stopping.
    refit : bool, default=False
        After early stopping, train anew on all sessions for the number of epochs found best.
    net_params : dict, optional
        Further parameters of the skorch net, such as ``{"optimizer": torch.optim.Adagrad}``.
    device : str, default="auto"
        A torch device; ``"auto"`` is CUDA where there is one, else the CPU.
    checkpoint_dir : path, optional
        Folder for the state of training, written after every epoch. A fit that was killed goes on
        from there, with the same result as an unbroken one.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the previous fit; new items, users and clusters are
        added.
    verbose : int, default=0
        1 shows a progress bar.
    random_state : int, RandomState, Generator or None, default=None
        The same seed gives the same model on the same machine. Global random states are left as
        they are.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int
    encoder_ : SessionEncoder
    net_ : skorch.NeuralNet
    history_ : list of dict
        Per epoch: ``epoch``, ``train_loss``, ``valid_loss``, the monitored metric, ``dur`` in
        seconds.
    n_epochs_ : int
        Epochs trained.
    best_epoch_ : int
    best_score_ : float
        Monitored metric of the best epoch; NaN without validation.
    stop_reason_ : {"max_epochs", "patience", "interrupted"}

    References
    ----------
    Item Cluster-aware Prompt Learning for Session-based Recommendation, arXiv 2410.04756.

    Examples
    --------
    >>> from sessionprompt.datasets import make_sessions
    >>> sessions = make_sessions(300, n_items=30, n_clusters=3, predictability=1.0, random_state=0)
    >>> model = PromptedSessionRecommender(prompts=(), dim=16, max_epochs=2, random_state=0)
    >>> model = model.fit(sessions)
    >>> model.predict([["item-03"], ["item-01", "item-02"]], k=4).shape
    (2, 4)
    """

    __metadata_request__fit = {"X_val": True}

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "gru4rec",
        *,
        prompts: Iterable[str] = ("cluster",),
        gate: str = "add",
        prompt_candidates: bool = True,
        scoring: str = "cosine",
        temperature: float = 0.07,
        dim: int = 64,
        backbone_params: dict[str, Any] | None = None,
        init: str = "graph",
        max_length: int = 50,
        prefixes: str = "auto",
        batch_size: int = 512,
        accumulate: int = 1,
        lr: float = 0.001,
        lr_schedule: str = "constant",
        weight_decay: float = 0.0,
        precision: str = "auto",
        n_negatives: int | None = None,
        negatives_power: float = 0.5,
        max_epochs: int = 30,
        patience: int | None = 3,
        monitor: str = "mrr@5",
        validation_fraction: float | None = 0.1,
        refit: bool = False,
        net_params: dict[str, Any] | None = None,
        device: str = "auto",
        checkpoint_dir: str | os.PathLike[str] | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.backbone = backbone
        self.prompts = prompts
        self.gate = gate
        self.prompt_candidates = prompt_candidates
        self.scoring = scoring
        self.temperature = temperature
        self.dim = dim
        self.backbone_params = backbone_params
        self.init = init
        self.max_length = max_length
        self.prefixes = prefixes
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.lr = lr
        self.lr_schedule = lr_schedule
        self.weight_decay = weight_decay
        self.precision = precision
        self.n_negatives = n_negatives
        self.negatives_power = negatives_power
        self.max_epochs = max_epochs
        self.patience = patience
        self.monitor = monitor
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.net_params = net_params
        self.device = device
        self.checkpoint_dir = checkpoint_dir
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    # ------------------------------------------------------------------ fitting
    encoder_: SessionEncoder
    _table: tuple[torch.Tensor | None, torch.Tensor] | None

    def fit(self, X: Any, y: None = None, *, X_val: Any = None) -> PromptedSessionRecommender:
        """Learn from sessions.

        Parameters
        ----------
        X : Sessions or list of lists
            Training sessions. Those of a single event teach nothing but the item itself.
        y : ignored
        X_val : Sessions or list of lists, optional
            Validation sessions; without them the newest `validation_fraction` of X is held out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On parameters out of bounds, missing annotation, or fewer than one training or
            validation example.
        """
        check_parameters(self)
        sessions = as_sessions(X)
        train, valid = self._hold_out(sessions, X_val)
        seed = seed_of(self.random_state)
        previous = None
        if self.warm_start:
            previous = self._previous()
        self._train(train, valid, seed, self.max_epochs, previous, "selection")
        may_refit = valid is not None and X_val is None and self.stop_reason_ != "interrupted"
        if self.refit and may_refit:
            self._refit(sessions, seed)
        return self

    def _refit(self, sessions: Sessions, seed: int) -> None:
        """Train anew on all sessions; the history stays that of the selection."""
        names = ("history_", "best_epoch_", "best_score_", "stop_reason_")
        found = {name: getattr(self, name) for name in names}
        self._train(sessions, None, seed, max(self.best_epoch_, 1), stage="refit")
        self.__dict__.update(found)

    def partial_fit(self, X: Any, y: None = None) -> PromptedSessionRecommender:
        """Go on learning: one epoch over new sessions.

        Their new items, users and clusters are added. Cluster labels must come from the clusterer
        of the first fit (its ``transform``), since a new clustering numbers its clusters anew.

        Parameters
        ----------
        X : Sessions or list of lists
        y : ignored

        Returns
        -------
        self
        """
        check_parameters(self)
        seed = seed_of(self.random_state)
        self._train(as_sessions(X), None, seed, 1, self._previous())
        return self

    def _previous(self) -> PromptedSessionRecommender | None:
        """This model, if it was fitted before."""
        if hasattr(self, "net_"):
            return self
        return None

    def _hold_out(self, sessions: Sessions, X_val: Any) -> tuple[Sessions, Sessions | None]:
        if X_val is not None:
            return sessions, as_sessions(X_val, "X_val")
        if self.validation_fraction is None:
            return sessions, None
        usable = sessions[np.flatnonzero(sessions.lengths >= 2)]
        if len(usable) < 2:
            raise ValueError(
                f"X has {len(usable)} sessions of two events or more, too few to train and "
                "validate; give more sessions, or set validation_fraction=None to train without "
                "validation."
            )
        return temporal_train_test_split(sessions, test_size=self.validation_fraction)

    def _train(
        self,
        train: Sessions,
        valid: Sessions | None,
        seed: int,
        epochs: int,
        previous: PromptedSessionRecommender | None = None,
        stage: str | None = None,
    ) -> None:
        """Train a network, keep its best epoch, and take it as the model."""
        from .training import TrainingRun, fit_network  # skorch is slow to import

        run = TrainingRun(train, valid, seed, epochs, previous, stage)
        encoder, outcome = fit_network(self, run)
        self._set_learned(encoder, outcome)

    def _set_learned(self, encoder: SessionEncoder, outcome: dict[str, Any]) -> None:
        self.encoder_ = encoder
        self.items_ = encoder.vocabulary.ids
        self.n_items_ = encoder.n_items
        self._table = None
        self.__dict__.update(outcome)

    @property
    def network_(self) -> SessionNetwork:
        """The trained torch module."""
        check_fitted(self, "net_")
        return self.net_.module_

    # ------------------------------------------------------------------ recommending and scoring
    def _best_items(
        self,
        encoded: EncodedSessions,
        k: int,
        allowed: np.ndarray | None,
        hidden: tuple[np.ndarray, np.ndarray] | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        examples = last_prefixes(encoded, self.max_length)
        self._warn_of_unknown(examples)
        inputs, table = self._item_vectors()
        return top_items(
            self.network_,
            PrefixData(examples, encoded.items),
            table,
            k,
            batch_size=self.batch_size,
            candidates=allowed,
            excluded=hidden,
            input_vectors=inputs,
        )

    def _rank_targets(self, cut: NextItemTargets, ties: str, top: int) -> RankedTargets:
        return rank_sessions(
            self.network_,
            self.encoder_,
            cut,
            max_length=self.max_length,
            one_pass=one_pass_of(self, self.network_),
            batch_size=self.batch_size,
            ties=ties,
            top=top,
        )

    def _warn_of_unknown(self, examples: Examples) -> None:
        something = examples.sessions.items >= 0
        for codes in examples.sessions.prompts.values():
            something = something | (codes >= 0).any(axis=1)
        known = np.append(0, np.cumsum(something))
        n = int((known[examples.starts + examples.lengths] == known[examples.starts]).sum())
        warn_of_unknown(n, stacklevel=4)

    def _item_vectors(self) -> tuple[torch.Tensor | None, torch.Tensor]:
        """All items as inputs and as candidates, computed once after training."""
        if self._table is None:
            network = self.network_.eval()
            with torch.no_grad():
                self._table = network.input_vectors(), network.candidate_vectors()
        return self._table

    # ------------------------------------------------------------------ storage
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder, or to one file if `path` ends in ``.zip``.

        No pickle is involved; :func:`sessionprompt.load` reads it.

        Parameters
        ----------
        path : path
            What is there stays whole until the new model is complete.
        """
        save(self, path)

    def _pack(self, store: ArrayStore) -> dict[str, Any]:
        """Description in terms of JSON; ids, labels and weights go to the store."""
        check_fitted(self, "net_")
        params = self.get_params(deep=False)
        params["backbone"] = registered_name(self.backbone)
        packed = pack_params(params)
        fitted = self.encoder_._pack(store)
        for name in LEARNED:
            fitted[name] = to_json(getattr(self, name), name)
        store.put_weights(self.network_.state_dict())
        return {"params": packed, "fitted": fitted}

    @classmethod
    def _unpack(cls, packed: dict[str, Any], store: ArrayStore) -> PromptedSessionRecommender:
        """The model that was packed; a ValueError says which part does not fit."""
        from .training import TrainingPlan, build_net

        model = cls(**unpack_params(packed["params"]))
        fitted = packed["fitted"]
        encoder = SessionEncoder._unpack(fitted, store)
        network = empty_network(model, encoder)
        weights = store.take_weights(network.state_dict())
        network.to(weights["items"].dtype).load_state_dict(weights)
        learned = {name: from_json(fitted[name]) for name in LEARNED}
        learned["net_"] = build_net(network, TrainingPlan.of(model))
        model._set_learned(encoder, learned)
        return model

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_table": None}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")
