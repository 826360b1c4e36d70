"""What importing the library adds to importing torch and scikit-learn, and which heavy packages it leaves alone.

python benchmarks/speed/startup.py [--repeats 11]

Fresh interpreters take turns: one imports torch and scikit-learn alone, the others a name of the library after them.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
from _measure import emit, figures, options

BASE = "import time\nstart = time.perf_counter()\nimport torch, sklearn\nbase = time.perf_counter()\n"
END = "print([base - start, time.perf_counter() - base])"
IMPORTS = {
    "package": "import sessionprompt",
    "Sessions": "from sessionprompt import Sessions",
    "ItemClusterer": "from sessionprompt import ItemClusterer",
    "everything": "from sessionprompt import *",
}


def seconds(statement: str) -> list[float]:
    """Seconds of torch and scikit-learn, and of the statement after them."""
    program = f"{BASE}{statement}\n{END}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    args = options(__doc__).parse_args()
    runs: dict[str, list[list[float]]] = {name: [] for name in IMPORTS}
    for _ in range(args.repeats + 1):  # the first turn reads from disk
        for name, statement in IMPORTS.items():
            runs[name].append(seconds(statement))
    for name, pairs in runs.items():
        base, added = np.array(pairs[1:]).T
        low, median, high = np.quantile(added, [0, 0.5, 1])
        line = {
            "import": IMPORTS[name],
            "adds_s": figures(median),
            "adds_s_min": figures(low),
            "adds_s_max": figures(high),
        }
        share = {"torch_and_sklearn_s": figures(np.median(base)), "ratio": figures(np.median(added / base))}
        emit(line | share, args, ("torch", "scikit-learn", "numpy", "scipy", "narwhals"))
