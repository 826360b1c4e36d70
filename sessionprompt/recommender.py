"""The estimator: its parameters, fitting and storage."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from sklearn.base import BaseEstimator

from . import storage
from ._checks import check_fitted
from ._parameters import check_parameters, seed_of
from .sessions import Sessions, as_sessions
from .storage import ArrayStore
from .stored import pack_own_params, pack_recommender, unpack_own_params, unpack_recommender
from .tables import Summary
from .trained import TrainedNetworkMixin

if TYPE_CHECKING:
    from .sessions import Describer
    from .training import Fitted

__all__ = ["PromptedSessionRecommender"]


class PromptedSessionRecommender(TrainedNetworkMixin, BaseEstimator):
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
    prompts : tuple of {"cluster", "user", "session"} and attributes, default=("cluster",)
        Prompt kinds; ``()`` is the plain backbone. Clusters need sessions annotated by an
        :class:`~sessionprompt.ItemClusterer`, which a Pipeline does. Attributes are the columns of
        an :class:`~sessionprompt.ItemAttributes`, such as ``"brand"``.
    gate : {"add", "elementwise", "scalar", "frequency", "none"}, default="add"
        How prompts and item embeddings are blended, see
        :class:`~sessionprompt.network.PromptBlend`.
    prompt_candidates : bool, default=True
        Whether the scored items carry the prompts of their clusters and attributes too.
    cold_items : {"attributes"} or None, default=None
        Whether items of the attribute table that no training session holds can be recommended:
        they are scored by their prompts, once the model is trained on the others. An item comes in
        if it has a value that training items have too. How they stand beside trained ones is
        learned on the validation sessions, see `cold_scale_`.
    withhold : float, default=0
        With `cold_items`, share of the items whose own vectors each step of training does without,
        where prompts do not learn to stand alone beside them.
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
        :func:`~sessionprompt.network.graph_vectors`; ``"normal"`` at random, N(0, 1/dim);
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
    lr : float, default=0.005
        Learning rate of Adam.
    lr_schedule : {"linear", "constant"}, default="linear"
        ``"linear"`` lowers the rate step by step to zero at the end of `max_epochs`.
    weight_decay : float, default=0.0
        Added to the gradients as this share of the weights.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of the factors in the products of the training loss; sums, gradients and all scores are
        float32. ``"auto"`` is bfloat16 where the processor has it built in, which halves the time
        of the loss.
    loss : {"auto", "full", "clusters", "sampled"}, default="auto"
        Among which items a target is ranked in training; evaluation is exact in any case.
        ``"full"`` takes all of them; ``"clusters"`` those of the cluster of the prefix's last item
        and a sample of the others, see :class:`~sessionprompt.losses.ClusterSoftmax`; ``"sampled"``
        a sample and the targets of the batch, see :class:`~sessionprompt.losses.SampledSoftmax`:
        for large catalogues, a step then costs the same however many items there are. Clusters are
        those that the sessions are annotated with, else Leiden's of the training sessions.
        ``"auto"`` is ``"sampled"`` where `n_negatives` is given, else ``"clusters"`` for more than
        16,384 items, on a GPU 200,000, where that is quicker at the same quality, and ``"full"``
        for fewer.
    n_negatives : int, optional
        Size of the sample; None is 1,024 beside clusters and 8,192 alone.
    negatives_power : float, optional
        Negatives are drawn in proportion to popularity to this power; None is .75 beside clusters
        and .5 alone.
    recency : float or None, default=1.0
        How much more newer training sessions count: a session stands in an epoch in proportion to
        exp(-age / recency), where its age is the share of the sessions that are newer; 1 lets the
        newest count 2.7 times as much as the oldest. None counts all alike, and so does
        `partial_fit`.
    max_epochs : int or "auto", default="auto"
        ``"auto"`` is 5, and 3 where the sessions have more than 300,000 targets.
    patience : int or None, default=3
        Epochs without a better `monitor` before training stops; None trains all `max_epochs`. The
        weights of the best epoch are restored.
    monitor : str, default="mrr@5"
        Metric on the validation sessions.
    validation_fraction : float or None, default=0.1
        Share of the sessions, the newest ones, held out for validation; None trains on everything,
        without early stopping. Where under a tenth of their targets are known, they choose nothing,
        with a warning: all `max_epochs` are trained.
    validation_size : int or None, default=20000
        Most validation prefixes to measure after an epoch, drawn by seed; None measures all.
    refit : bool, default=True
        After early stopping, train anew on all sessions for the number of epochs found best, so
        that the model knows the newest ones too; it doubles the time. False keeps the network of
        the older sessions, and clusters fitted on these alone.
    repeats : {"held_out"} or None, default="held_out"
        Weigh the items that a session has seen already by a small table of weights, learned on the
        validation sessions once the network is trained, see
        :class:`~sessionprompt.blending.Blend`. How far to trust the network, and how likely a
        return is, shows only on sessions that it has not seen; so without validation sessions there
        is no such table. None ranks by the network alone.
    net_params : dict, optional
        Further parameters of the skorch net, such as ``{"optimizer": torch.optim.Adagrad}``,
        callbacks, ``{"compile": True}``, or ``{"metric_names": "flat"}`` for loggers.
    device : str, default="auto"
        A torch device; ``"auto"`` is CUDA where there is one, else the CPU.
    checkpoint_dir : path, optional
        Folder for the state of training, written after every epoch. A fit that was killed goes on
        from there, with the same result as an unbroken one.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the previous fit; new items, users and clusters are
        added.
    verbose : int, default=0
        1 shows a progress bar, and at the end a line on the epochs, the best of them and the time.
    random_state : int, RandomState, Generator or None, default=None
        The same seed gives the same model on the same machine, in any Python thread, as long as
        ``torch.get_num_threads()`` is the same, which decides on the order of sums. Global random
        states are left as they are.

    Attributes
    ----------
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int
    encoder_ : SessionEncoder
    net_ : skorch.NeuralNet
    history_ : list of dict
        Per epoch: ``epoch``, ``train_loss``, ``valid_loss``, the monitored metric, ``n_valid``
        (prefixes that both were measured on), ``dur`` in seconds; before a refit.
    n_epochs_, best_epoch_ : int
        Epochs trained, before a refit; the best of them, which the refit takes as its number.
    best_score_ : float
        Monitored metric of the best epoch; NaN where it chose nothing.
    stop_reason_ : {"max_epochs", "patience", "interrupted", "diverged", "callback"}
        ``"diverged"``: a loss or weight was not finite; the best weights before it stay.
    validation_ : dict or None
        Facts of the validation sessions: ``n_sessions``, ``n_targets``, ``n_known_targets`` (items
        that the training sessions hold twice), ``mean_prefix_length``, and that of the training
        sessions as ``train_mean_prefix_length``. A warning says where they tell little.
    blend_ : Blend or None
        Weights of the sessions' own items; they stay through a refit and `partial_fit`.
    cold_scale_ : float
        With `cold_items`, what the scores of cold items are multiplied by: of what gives lists of
        20 the best recall on validation sessions, where a cold target counts for three, within one
        standard error, the nearest to 1. Like `blend_`, it stays through a refit and `partial_fit`.
    annotator_ : transformer or None
        With ``refit=False``, the clusterer of the older sessions alone, which labels whatever the
        model reads; None where sessions keep the labels that they carry.

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

    history_: list[dict[str, float]]
    n_epochs_: int
    best_epoch_: int
    best_score_: float
    stop_reason_: str
    validation_: dict[str, float] | None

    def __init__(
        self,
        backbone: str | Callable[..., Any] = "gru4rec",
        *,
        prompts: Iterable[str] = ("cluster",),
        gate: Literal["add", "elementwise", "scalar", "frequency", "none"] = "add",
        prompt_candidates: bool = True,
        cold_items: Literal["attributes"] | None = None,
        withhold: float = 0.0,
        scoring: Literal["cosine", "dot"] = "cosine",
        temperature: float = 0.07,
        dim: int = 64,
        backbone_params: dict[str, Any] | None = None,
        init: Literal["graph", "normal", "reference"] = "graph",
        max_length: int = 50,
        prefixes: Literal["auto", "one_pass", "expanded"] = "auto",
        batch_size: int = 512,
        accumulate: int = 1,
        lr: float = 0.005,
        lr_schedule: Literal["linear", "constant"] = "linear",
        weight_decay: float = 0.0,
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        loss: Literal["auto", "full", "clusters", "sampled"] = "auto",
        n_negatives: int | None = None,
        negatives_power: float | None = None,
        recency: float | None = 1.0,
        max_epochs: int | Literal["auto"] = "auto",
        patience: int | None = 3,
        monitor: str = "mrr@5",
        validation_fraction: float | None = 0.1,
        validation_size: int | None = 20_000,
        refit: bool = True,
        repeats: Literal["held_out"] | None = "held_out",
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
        self.cold_items = cold_items
        self.withhold = withhold
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
        self.loss = loss
        self.n_negatives = n_negatives
        self.negatives_power = negatives_power
        self.recency = recency
        self.max_epochs = max_epochs
        self.patience = patience
        self.monitor = monitor
        self.validation_fraction = validation_fraction
        self.validation_size = validation_size
        self.refit = refit
        self.repeats = repeats
        self.net_params = net_params
        self.device = device
        self.checkpoint_dir = checkpoint_dir
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    # ------------------------------------------------------------------ fitting
    def fit(self, X: Any, y: None = None, *, X_val: Any = None) -> PromptedSessionRecommender:
        """Learn from sessions.

        Parameters
        ----------
        X : Sessions or list of lists
            Training sessions. Those of a single event teach nothing but the item itself.
        y : ignored
        X_val : Sessions or list of lists, optional
            Validation sessions; without them the newest `validation_fraction` of X is held out,
            and a clone of X's clusterer is fitted on the others to choose the epoch.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On parameters out of bounds, missing annotation, or fewer than one training or
            validation example.
        KeyboardInterrupt
            After Ctrl-C, once the best weights so far are in place: the model can be used.
        """
        from .training import closing_line, fit_stages, is_first, without_cold_items

        start = time.perf_counter()
        check_parameters(self)
        sessions = as_sessions(X)
        valid = None
        if X_val is not None:
            valid = as_sessions(X_val, "X_val")
        start_from = self
        if self.warm_start:
            start_from = without_cold_items(self)
        fitted = fit_stages(start_from, sessions, valid, seed_of(self.random_state))
        self._take(fitted, sessions)
        if self.verbose and is_first():
            print(closing_line(self, time.perf_counter() - start))
        return self

    def partial_fit(self, X: Any, y: None = None) -> PromptedSessionRecommender:
        """Go on learning: one epoch over new sessions.

        Their new items, users and clusters are added. An item that the clusterer of X does not know
        gets its cluster by all its edges in X and keeps it; so that it can follow the edges of
        later calls, the clusterer learns first, by its own ``partial_fit``, as in
        :meth:`Pipeline.partial_fit`.

        Parameters
        ----------
        X : Sessions or list of lists
            Without any event, nothing changes; sessions of a single event add their items.
        y : ignored

        Returns
        -------
        self
        """
        from .training import learn_on, without_cold_items  # skorch is slow to import

        check_parameters(self)
        sessions = as_sessions(X)
        if not sessions.n_events and hasattr(self, "net_"):
            return self
        warm = without_cold_items(self)
        return self._take(learn_on(warm, sessions, seed_of(self.random_state)), sessions)

    def _learned(self) -> Summary:
        if not hasattr(self, "net_"):
            return Summary()
        learned = super()._learned()
        learned["epochs"] = self.n_epochs_
        learned["best epoch"] = self.best_epoch_
        learned[self.monitor] = self.best_score_
        learned["ended by"] = self.stop_reason_
        return learned

    def with_items(self, *attributes: Describer) -> PromptedSessionRecommender:
        """The same model with other cold items: those of attribute tables, without training.

        Parameters
        ----------
        *attributes : ItemAttributes
            As fitted before this model, with the tables of today: ``set_params(items=table)``.

        Returns
        -------
        PromptedSessionRecommender
            A copy. Items that are in no table any more are unknown to it, unless training sessions
            hold them.

        Raises
        ------
        ValueError
            If the model has no attributes among its prompts, or they are of another fit.
        """
        from .training import describing  # skorch is slow to import

        check_fitted(self, "net_")
        if not self.encoder_.attributes or not attributes:
            raise ValueError(
                f"prompts={self.prompts!r} of {len(attributes)} tables cannot tell what an item "
                "is; fit with attributes among the prompts, and give their ItemAttributes."
            )
        model = copy.copy(self)
        encoder, net = describing(self, attributes)
        model._set_learned(encoder, {"net_": net})
        return model

    def _take(self, fitted: Fitted, sessions: Sessions) -> PromptedSessionRecommender:
        """The model with the parts that training has made; an interrupt of it goes on."""
        self._set_learned(fitted.encoder, fitted.learned)
        if self.cold_items is not None and sessions.item_attributes:
            extended = self.with_items(*sessions.item_attributes)
            self._set_learned(extended.encoder_, {"net_": extended.net_})
        fitted.raise_if_interrupted()
        return self

    # ------------------------------------------------------------------ storage
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a folder, or to one file if `path` ends in ``.zip``.

        No pickle is involved; :func:`sessionprompt.load` reads it.

        Parameters
        ----------
        path : path
            What is there stays whole until the new model is complete.
        """
        storage.save(self, path)

    def _pack(self, store: ArrayStore) -> dict[str, Any]:
        """Description in terms of JSON; ids, labels and weights go to the store."""
        check_fitted(self, "net_")
        return pack_recommender(self, store)

    def _pack_params(self) -> dict[str, Any]:
        """Parameters in terms of JSON; a TypeError if one cannot be stored."""
        return pack_own_params(self)

    @classmethod
    def _unpack(cls, packed: dict[str, Any], store: ArrayStore) -> PromptedSessionRecommender:
        """The model that was packed; a ValueError says which part does not fit."""
        model = cls(**unpack_own_params(packed["params"]))
        encoder, learned = unpack_recommender(model, packed, store)
        model._set_learned(encoder, learned)
        return model

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_table": None}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")
