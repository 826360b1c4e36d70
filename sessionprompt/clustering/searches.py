"""Leiden's algorithm in the packages that have it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..graphs import strengths

__all__ = ["SEARCHES", "Problem"]

IGRAPH_GENERATOR = Lock()  # igraph draws from one random generator per process
EDGES = 4096  # that are tuples at a time
NO_GAIN = 1e-7  # of an objective of about 1, in single precision
GPL_FREE = "algorithm='sknetwork', of the package scikit-network, runs without it."


@dataclass(frozen=True)
class Problem:
    """A graph to be searched for clusters, and the masses that the objective gives its nodes.

    The objective is the constant Potts model with masses of nodes, summed over clusters: twice the
    edge weight inside, less a penalty times the squared mass. Modularity is this with strengths as
    masses and a penalty of ``resolution / unit``.
    """

    graph: sparse.csr_array
    objective: str
    masses: NDArray[np.int64]  # of the nodes
    unit: int

    @classmethod
    def of_graph(cls, graph: sparse.csr_array, objective: str) -> Problem:
        """Problem of an objective by name."""
        masses = np.ones(graph.shape[0], dtype=np.int64)
        unit = 1
        if objective == "modularity":
            masses = strengths(graph).astype(np.int64)
            unit = masses.sum()
        return cls(graph, objective, masses, unit)

    @cached_property
    def edges(self) -> sparse.coo_array:
        """Each edge once."""
        return sparse.triu(self.graph, format="coo")

    @cached_property
    def network(self) -> Any:
        """The graph as igraph and leidenalg take it."""
        import igraph

        return igraph.Graph(self.edges.shape[0], self._ends())

    def _ends(self) -> Iterator[tuple[int, int]]:
        """Ends of the edges as tuples, which igraph reads faster than an array."""
        rows, columns = self.edges.coords
        for start in range(0, len(rows), EDGES):
            part = slice(start, start + EDGES)
            yield from zip(rows[part].tolist(), columns[part].tolist(), strict=True)

    @cached_property
    def weights(self) -> list[int]:
        """Weights of the edges."""
        return self.edges.data.tolist()

    @cached_property
    def mass_list(self) -> list[int]:
        """Masses as a list, which igraph reads faster than an array."""
        return self.masses.tolist()


def _search_igraph(problem: Problem, penalty: float, n_iterations: int, seed: int) -> ArrayLike:
    """Cluster of each node, found by igraph."""
    try:
        import igraph
    except ImportError as error:
        raise _missing("igraph", "igraph", GPL_FREE) from error
    with IGRAPH_GENERATOR:
        igraph.set_random_number_generator(random.Random(seed))
        try:
            # its "modularity" leaves self-loops out of the strengths
            found = problem.network.community_leiden(
                "CPM",
                weights=problem.weights,
                node_weights=problem.mass_list,
                resolution=penalty,
                n_iterations=n_iterations,
            )
        finally:
            igraph.set_random_number_generator(random)  # igraph's default
    return found.membership


def _search_leidenalg(problem: Problem, penalty: float, n_iterations: int, seed: int) -> ArrayLike:
    """Cluster of each node, found by leidenalg."""
    try:
        import leidenalg
    except ImportError as error:
        raise _missing("leidenalg", "leidenalg", GPL_FREE) from error
    found = leidenalg.find_partition(
        problem.network,
        leidenalg.CPMVertexPartition,
        weights=problem.weights,
        node_sizes=problem.mass_list,
        resolution_parameter=penalty,
        n_iterations=n_iterations,
        seed=seed,
    )
    return found.membership


def _search_sknetwork(problem: Problem, penalty: float, n_iterations: int, seed: int) -> ArrayLike:
    """Cluster of each node, found by scikit-network, which runs until nothing improves."""
    try:
        from sknetwork.clustering import Leiden
    except ImportError as error:
        raise _missing("sknetwork", "scikit-network", "The default is 'igraph'.") from error
    kinds = {"modularity": "newman", "cpm": "potts"}
    # a loop counts once in its sums, twice in ours
    loops = sparse.diags_array(problem.graph.diagonal(), dtype=problem.graph.dtype)
    weights = problem.graph + loops
    total = weights.sum()
    # its masses and weights add up to 1
    resolution = penalty * float(problem.masses.sum()) ** 2 / total
    leiden = Leiden(
        resolution=resolution,
        modularity=kinds[problem.objective],
        tol_optimization=NO_GAIN,
        tol_aggregation=NO_GAIN,
        shuffle_nodes=True,
        sort_clusters=False,
        return_probs=False,
        return_aggregate=False,
        random_state=seed,
    )
    return leiden.fit_predict(sparse.csr_matrix(weights))


def _search_cugraph(problem: Problem, penalty: float, n_iterations: int, seed: int) -> ArrayLike:
    """Cluster of each node, found by cuGraph on a GPU, which runs until nothing improves."""
    try:
        import cudf
        import cugraph
    except ImportError as error:
        raise _missing("cugraph", "cugraph", "The default is 'igraph'.") from error
    rows, columns = problem.edges.coords
    weights = problem.edges.data.astype(np.float32)
    table = cudf.DataFrame({"source": rows, "destination": columns, "weight": weights})
    network = cugraph.Graph(directed=False)
    network.from_cudf_edgelist(
        table, source="source", destination="destination", edge_attr="weight", renumber=True
    )
    found, _ = cugraph.leiden(network, resolution=penalty * problem.unit, random_state=seed)
    membership = np.arange(len(problem.masses)) + len(problem.masses)  # nodes without an edge
    membership[found["vertex"].to_numpy()] = found["partition"].to_numpy()
    return membership


def _missing(algorithm: str, package: str, advice: str) -> ImportError:
    return ImportError(
        f"algorithm={algorithm!r} needs the package {package}, which is not installed: "
        f"pip install {package}. {advice}"
    )


SEARCHES: dict[str, Callable[..., ArrayLike]] = {
    "igraph": _search_igraph,
    "leidenalg": _search_leidenalg,
    "sknetwork": _search_sknetwork,
    "cugraph": _search_cugraph,
}
