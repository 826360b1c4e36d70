"""Stack of recommenders: networks and counters, weighed on sessions that none of them has seen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils import Bunch
from sklearn.utils.metaestimators import _BaseComposition
from tqdm import tqdm

from .. import storage
from .._arrays import largest_of_rows
from .._checks import check_fitted, check_flag, check_integer, check_number
from ..base import SessionRecommenderMixin, known_ranks, leave_out, warn_of_unknown
from ..blending import MemberScores, StackBlend, learn_members, member_scores
from ..encoding import (
    ItemFilter,
    NextItemTargets,
    SessionEncoder,
    annotator_fitted_on,
    labelled_by,
)
from ..metrics import RankedTargets
from ..model_selection import temporal_train_test_split
from ..sessions import Sessions, as_sessions
from ..storage import ArrayStore, pack, pack_params, unpack, unpack_params
from .members import (
    check_items,
    check_members,
    fitted_with_tail,
    seeded,
    trained_as_long,
    with_folders,
)

__all__ = ["StackedSessionRecommender"]

OF_PROCESS = {"verbose": 0}


class StackedSessionRecommender(SessionRecommenderMixin, _BaseComposition):
    """Several recommenders as one, in the manner of scikit-learn's StackingClassifier.

    The newest sessions are held out, every member is fitted on the others, and a few weights are
    learned on what was held out: how far each member is to be trusted in short and in long
    prefixes, and what it means that a session has seen an item already, see
    :class:`~sessionprompt.blending.StackBlend`. A network is weighed by its scores alone, without
    its own ``blend_``; a counter by the logarithms of its scores.

    A stack of one baseline is that baseline with the same weights of repeats as
    :class:`PromptedSessionRecommender` has: the fair opponent in a table that compares the two.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Recommenders of this library, or pipelines that end in one; they are cloned. A network that
        reads clusters stands in a pipeline with its clusterer, and one with a `checkpoint_dir`
        writes into a folder of each fit inside it.
    validation_fraction : float, default=0.1
        Share of the sessions, the newest ones, on which the weights are learned.
    refit : bool, default=True
        Fit the members anew on all sessions, once the weights are known, so that they know the
        newest ones too; it doubles the time. A network that would hold sessions out itself chooses
        its epoch on those that the stack holds out, and trains as long the second time. Not with
        validation sessions of your own.
    validation_size : int or None, default=10000
        Most prefixes that the weights are learned on, drawn by seed, session by session; None takes
        all.
    random_state : int, RandomState, Generator or None, default=None
        Draws the prefixes, and seeds the members that have no `random_state` of their own.
    verbose : int, default=0
        1 shows a progress bar over the fits of the members.

    Attributes
    ----------
    estimators_ : list of estimators
        Fitted, in the order of `estimators`.
    named_estimators_ : Bunch
        The same by name.
    blend_ : StackBlend
        The learned weights, readable by name.
    items_ : ndarray of shape (n_items,)
        Raw ids of the known items.
    n_items_ : int
    encoder_ : SessionEncoder
    annotator_ : transformer or None
        With ``refit=False`` and sessions that carry labels, the clusterer of the older sessions
        alone, which labels whatever the members read.

    See Also
    --------
    PromptedSessionRecommender : With ``repeats="held_out"``, one network with such weights.

    Examples
    --------
    >>> from sessionprompt.baselines import ItemKNN, SequentialRules
    >>> from sessionprompt.datasets import make_sessions
    >>> sessions = make_sessions(300, n_items=30, n_clusters=3, random_state=0)
    >>> members = [("rules", SequentialRules()), ("knn", ItemKNN())]
    >>> stack = StackedSessionRecommender(members, random_state=0).fit(sessions)
    >>> stack.predict([["item-03", "item-04"]], k=3).shape
    (1, 3)
    >>> sorted(stack.named_estimators_)
    ['knn', 'rules']
    """

    __metadata_request__fit = {"X_val": True}

    def __init__(
        self,
        estimators: list[tuple[str, Any]],
        *,
        validation_fraction: float = 0.1,
        refit: bool = True,
        validation_size: int | None = 10_000,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.estimators = estimators
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.validation_size = validation_size
        self.random_state = random_state
        self.verbose = verbose

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the stack and, as ``name`` and ``name__parameter``, of its members.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        dict
        """
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, members by ``name`` and theirs by ``name__parameter``.

        Parameters
        ----------
        **params

        Returns
        -------
        self
        """
        return self._set_params("estimators", **params)

    # ------------------------------------------------------------------ fitting
    def fit(self, X: Any, y: None = None, *, X_val: Any = None) -> Self:
        """Fit the members and learn their weights.

        Parameters
        ----------
        X : Sessions or list of lists
        y : ignored
        X_val : Sessions or list of lists, optional
            Sessions on which the weights are learned; the members are then fitted once, on X.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If a member is no recommender of this library.
        ValueError
            If a parameter is out of bounds, members know different items, or the sessions that are
            held out ask for no item that the others hold.
        """
        from .._parameters import seed_of  # torch is slow to import

        self._check_parameters()
        sessions = as_sessions(X)
        seed = seed_of(self.random_state)
        annotator = None
        again = self.refit and X_val is None
        if X_val is None:
            train, tail = temporal_train_test_split(sessions, test_size=self.validation_fraction)
            annotator = annotator_fitted_on(train, seed)
        else:
            train = sessions
            tail = as_sessions(X_val, "X_val")
        if annotator is not None:
            train = labelled_by(train, annotator)
            tail = labelled_by(tail, annotator)
        cut = _targets(tail, SessionEncoder.learn(train), self.validation_size, seed)
        with tqdm(total=len(self.estimators) * (1 + again), disable=not self.verbose) as bar:
            members, encoder = self._fit_members(train, seed, bar, "weighed", tail)
            blend = learn_members(self._names, members, encoder, cut)
            if blend is None:
                _refuse_to_learn(len(cut.next_items))
            if again:
                members, encoder = self._fit_members(sessions, seed, bar, "refit", None, members)
                annotator = None
        return self._set_learned(members, encoder, blend, annotator)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.estimators)

    def _check_parameters(self) -> None:
        """Raise on a parameter out of bounds."""
        check_members(self.estimators)
        self._validate_names(self._names)
        check_flag("refit", self.refit)
        between = "between 0 and 1"
        fraction = self.validation_fraction
        check_number("validation_fraction", fraction, lambda value: 0 < value < 1, between)
        if self.validation_size is not None:
            check_integer("validation_size", self.validation_size)

    def _fit_members(
        self,
        sessions: Sessions,
        seed: int,
        bar: tqdm[NoReturn],
        stage: str,
        tail: Sessions | None,
        weighed: Sequence[Any] = (),
    ) -> tuple[list[Any], SessionEncoder]:
        """Members fitted on some sessions, and the encoder of these.

        A network chooses its epoch on the tail, and trains as long as the one that was weighed.
        """
        encoder = SessionEncoder.learn(sessions)
        seeds = np.random.default_rng(seed).integers(2**32, size=len(self.estimators)).tolist()
        members: list[Any] = []
        for (name, estimator), own_seed in zip(self.estimators, seeds, strict=True):
            bar.set_description(f"{name} on {len(sessions):,} sessions")
            member = with_folders(seeded(clone(estimator), own_seed), f"{name}-{stage}")
            if weighed:
                member = trained_as_long(member, weighed[len(members)])
            members.append(fitted_with_tail(member, sessions, tail))
            bar.update()
        check_items(self._names, members, encoder)
        return members, encoder

    def _set_learned(
        self, members: list[Any], encoder: SessionEncoder, blend: StackBlend, annotator: Any
    ) -> Self:
        self.estimators_ = members
        self.named_estimators_ = Bunch(**dict(zip(blend.members, members, strict=True)))
        self.blend_ = blend
        self.encoder_ = encoder
        self.items_ = encoder.vocabulary.ids
        self.n_items_ = encoder.n_items
        self.annotator_ = annotator
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")

    # ------------------------------------------------------------------ recommending and scoring
    def _annotated(self, sessions: Sessions) -> Sessions:
        if self.annotator_ is None:
            return sessions
        return labelled_by(sessions, self.annotator_)

    def _best_items(
        self, sessions: Sessions, k: int, items: ItemFilter | None
    ) -> tuple[np.ndarray, np.ndarray]:
        best = np.empty((len(sessions), k), dtype=np.int64)
        values = np.empty((len(sessions), k), dtype=np.float32)
        lengths = sessions.lengths
        known = np.zeros(len(sessions), dtype=bool)
        for part in self._member_scores(sessions, lengths, lengths):
            rows = part.sessions
            scores = self.blend_.scores(part.own, part.scores)
            leave_out(scores, items, rows)
            best[rows], values[rows] = largest_of_rows(scores, k)
            known[rows[part.own.row]] = True
        warn_of_unknown(int((~known).sum()), stacklevel=5)
        best[values == -np.inf] = -1
        return best, values

    def _rank_targets(
        self, cut: NextItemTargets, ties: str, top: int, items: ItemFilter | None
    ) -> RankedTargets:
        encoded = cut.encoded
        events = []
        ranks = []
        best = []
        for part in self._member_scores(cut.inputs, encoded.first_prefix, encoded.lengths):
            scores = self.blend_.scores(part.own, part.scores)
            places = encoded.offsets[part.sessions] + part.lengths - 1
            leave_out(scores, items, places)
            events.append(places)
            ranks.append(known_ranks(scores, cut.next_items[places], ties))
            if top:
                codes, values = largest_of_rows(scores, top)
                best.append(np.where(values > -np.inf, codes, -1))
        lists = None
        if top:
            lists = np.concatenate(best)
        return RankedTargets.of(
            cut,
            self.encoder_,
            np.concatenate(events),
            np.concatenate(ranks),
            lists,
            filtered=items is not None,
        )

    def _member_scores(
        self, sessions: Sessions, first: np.ndarray, last: np.ndarray
    ) -> Iterator[MemberScores]:
        return member_scores(self.estimators_, self.encoder_, sessions, first, last)

    def _log_scores(self, inputs: Sessions) -> np.ndarray:
        encoded = self.encoder_.encode(inputs)
        blocks = self._member_scores(inputs, encoded.first_prefix, encoded.lengths)
        return np.concatenate([self.blend_.scores(part.own, part.scores) for part in blocks])

    # ------------------------------------------------------------------ storage
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted stack, see :func:`sessionprompt.persistence.save`.

        Parameters
        ----------
        path : path
        """
        storage.save(self, path)

    def _pack(self, store: ArrayStore) -> dict[str, Any]:
        """Description in terms of JSON; what the members consist of goes to the store."""
        check_fitted(self, "encoder_")
        members = [
            pack(member, store.compartment(number))
            for number, member in enumerate(self.estimators_)
        ]
        return {
            "params": self._pack_params(),
            "fitted": self.encoder_._pack(store),
            "names": list(self.blend_.members),
            "members": members,
            "blend": self.blend_.to_dict(),
            "annotator": pack(self.annotator_, store.compartment(len(members))),
        }

    def _pack_params(self) -> dict[str, Any]:
        """Parameters in terms of JSON; a TypeError if one, or a member, cannot be stored."""
        params = self.get_params(deep=False)
        for _, member in params.pop("estimators"):
            storage.check_storable(member)
        return pack_params(params, OF_PROCESS)

    @classmethod
    def _unpack(cls, packed: dict[str, Any], store: ArrayStore) -> Self:
        """The stack that was packed; a ValueError says which part does not fit."""
        members = [
            unpack(member, store.compartment(number))
            for number, member in enumerate(packed["members"])
        ]
        names = packed["names"]
        fresh = [(name, clone(member)) for name, member in zip(names, members, strict=True)]
        stack = cls(fresh, **unpack_params(packed["params"], OF_PROCESS))
        stack._check_parameters()
        encoder = SessionEncoder._unpack(packed["fitted"], store)
        check_items(names, members, encoder)
        blend = StackBlend.from_dict(tuple(names), packed["blend"])
        annotator = unpack(packed["annotator"], store.compartment(len(members)), None)
        return stack._set_learned(members, encoder, blend, annotator)


# ---------------------------------------------------------------------- what is held out
def _targets(
    tail: Sessions, encoder: SessionEncoder, size: int | None, seed: int
) -> NextItemTargets:
    """Targets of at most so many prefixes, drawn session by session; of at least one session."""
    usable = tail[tail.usable_rows]
    cut = NextItemTargets.of(usable, encoder)
    n_targets = cut.encoded.n_prefixes
    if size is not None and n_targets.sum() > size:
        order = np.random.default_rng([seed, 0]).permutation(len(usable))
        n_drawn = np.searchsorted(np.cumsum(n_targets[order]), size, side="right")
        usable = usable[np.sort(order[: max(1, n_drawn)])]
        cut = NextItemTargets.of(usable, encoder)
    if not (cut.next_items >= 0).any():
        _refuse_to_learn(int(n_targets.sum()))
    return cut


def _refuse_to_learn(n_targets: int) -> NoReturn:
    raise ValueError(
        f"the sessions that are held out ask for {n_targets:,} items, none of which the others "
        "hold, so no weights can be learned; hold out another share (validation_fraction), or give "
        "X_val of known items."
    )
