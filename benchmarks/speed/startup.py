"""What importing the library adds, in time and memory, to importing torch and scikit-learn.

python benchmarks/speed/startup.py [--repeats 11]

Fresh interpreters take turns: one imports torch and scikit-learn alone, the others a name of the
library after them.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
from _measure import emit, figures, options

BASE = """
import resource, time
def now():
    return time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = now()
import torch, sklearn
base = now()
"""
END = "end = now(); print([base[0] - start[0], end[0] - base[0], base[1], end[1] - base[1]])"
IMPORTS = {
    "package": "import sessionprompt",
    "Sessions": "from sessionprompt import Sessions",
    "ItemClusterer": "from sessionprompt import ItemClusterer",
    "everything": "from sessionprompt import *",
}


def cost(statement: str) -> list[float]:
    """Seconds, then peak memory, of torch and scikit-learn and of the statement after them."""
    program = f"{BASE}{statement}\n{END}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    args = options(__doc__).parse_args()
    runs: dict[str, list[list[float]]] = {name: [] for name in IMPORTS}
    for _ in range(args.repeats + 1):  # the first turn reads from disk
        for name, statement in IMPORTS.items():
            runs[name].append(cost(statement))
    for name, rows in runs.items():
        base, added, base_mb, added_mb = np.array(rows[1:]).T
        low, median, high = np.quantile(added, [0, 0.5, 1])
        line = {
            "import": IMPORTS[name],
            "adds_s": figures(median),
            "adds_s_min": figures(low),
            "adds_s_max": figures(high),
        }
        share = {
            "torch_and_sklearn_s": figures(np.median(base)),
            "ratio": figures(np.median(added / base)),
        }
        memory = {
            "torch_and_sklearn_mb": round(np.median(base_mb)),
            "adds_mb": round(np.median(added_mb)),
        }
        emit(line | share | memory, args, ("torch", "scikit-learn", "numpy", "scipy", "narwhals"))
