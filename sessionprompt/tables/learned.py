"""HTML of fitted estimators, as notebooks show them."""

from __future__ import annotations

from typing import Any

from .summary import Summary

__all__ = ["LearnedHtml"]


class LearnedHtml:
    """HTML of an estimator: scikit-learn's diagram, and below it what was learned.

    It stands before scikit-learn's ``BaseEstimator`` among the bases.
    """

    def _learned(self) -> Summary:
        """Figures of what was learned, none before `fit`."""
        return Summary()

    def _learned_html(self) -> str:
        """Table of what was learned, empty before `fit`."""
        learned = self._learned()
        if not learned:
            return ""
        return learned._repr_html_()

    def _repr_html_inner(self) -> str:
        return super()._repr_html_inner() + self._learned_html()  # type: ignore[misc]

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] += self._learned_html()
        return bundle
