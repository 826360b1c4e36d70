"""Scores of prefixes against candidates: one protocol, its implementations, and their kernels."""

from __future__ import annotations

from ..kernels import obstacle, without_kernels
from .blended import BlendedScores, own_scores
from .block_candidates import BlockCandidates
from .clusters import cluster_cross_entropy
from .cross_entropy import PRECISIONS, linear_cross_entropy, uses_bfloat16
from .dense import DenseScores
from .inner_product import Candidates, InnerProduct
from .prefixes import EncodedPrefixes, KnownOrPopular, scores_against
from .protocol import ReplacedScores, Rows, Scores, ScoresInBlocks
from .scratch import workspace
from .target_attention import AttentionScores, TargetAttention

__all__ = [
    "PRECISIONS",
    "AttentionScores",
    "BlendedScores",
    "BlockCandidates",
    "Candidates",
    "DenseScores",
    "EncodedPrefixes",
    "InnerProduct",
    "KnownOrPopular",
    "ReplacedScores",
    "Rows",
    "Scores",
    "ScoresInBlocks",
    "TargetAttention",
    "cluster_cross_entropy",
    "linear_cross_entropy",
    "obstacle",
    "own_scores",
    "scores_against",
    "uses_bfloat16",
    "without_kernels",
    "workspace",
]
