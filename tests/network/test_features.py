"""Attributes as prompts: the whole catalogue, some items and further ones by plain sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from sessionprompt.backbones import unit
from sessionprompt.network import FixedCodes, PromptBlend
from sessionprompt.network.features import ItemFeatures
from sessionprompt.network.prompts import DenseRows

CPU = torch.device("cpu")
DENSE = np.array([[1, 0, 2], [0, 0, 0], [0.5, 1, 0]], dtype=np.float32)
OTHERS = np.array([[0, 3, 0], [0, 0, 0]], dtype=np.float32)
TABLE = torch.arange(12.0).view(3, 4).sin()


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_rows_of_a_table_add_up(form) -> None:
    features = ItemFeatures(form(DENSE), CPU)
    expected = torch.from_numpy(DENSE) @ TABLE
    torch.testing.assert_close(features.whole.sum_rows(TABLE), expected)
    codes = torch.tensor([2, -1, 0, 2])
    some = expected[codes] * (codes >= 0).unsqueeze(1)
    torch.testing.assert_close(features.some(codes).sum_rows(TABLE), some)
    both = torch.from_numpy(np.concatenate([DENSE, OTHERS])) @ TABLE
    codes = torch.tensor([4, 3, 0])
    torch.testing.assert_close(features.some(codes, form(OTHERS)).sum_rows(TABLE), both[codes])


def test_kinds_of_one_row_each_share_a_product() -> None:
    torch.manual_seed(0)
    blend = PromptBlend(4, {"cluster": 3, "type": 5, "tags": 4, "price.net": 2}, "add").double()
    codes = {kind: torch.randint(-1, len(blend.table_of(kind)), (7, 1)) for kind in blend.kinds}
    codes["tags"] = torch.randint(-1, 4, (7, 2))
    fixed = {kind: FixedCodes(one, len(blend.table_of(kind))) for kind, one in codes.items()}
    x = torch.randn(7, 4).double()
    together = blend.unit_vectors(x, fixed)
    torch.testing.assert_close(together, unit(blend(x, codes)))
    tables = list(blend.tables.values())
    weights = torch.randn(7, 4).double()
    found = torch.autograd.grad((together * weights).sum(), tables)
    wanted = torch.autograd.grad((unit(blend(x, codes)) * weights).sum(), tables)
    torch.testing.assert_close(found, wanted)


def test_vectors_start_at_the_nearest_map() -> None:
    vectors = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    values = vectors @ TABLE
    found = DenseRows(vectors).mean_rows(values)
    assert torch.cosine_similarity(found, TABLE).min() > 0.98
