"""Base of the transformers: scikit-learn's interface for what takes sessions and gives sessions."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags

__all__ = ["SessionTransformer"]


class SessionTransformer(
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # type: ignore[call-arg]
):
    """Base of the transformers of sessions, which are no table."""

    def set_output(self, *, transform: Any = None) -> Self:
        """Nothing to choose: sessions are no table, so there is no container for them.

        Parameters
        ----------
        transform : object, optional
            Ignored.

        Returns
        -------
        self
        """
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags
