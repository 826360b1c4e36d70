"""
A model behind HTTP
===================

A web shop asks over the network. The server of the library answers one session or many, batches
what waits, and says in a sentence what is wrong with a request.
"""

# %%
# From a file to a server
# -----------------------
# In production this is one command, ``sessionprompt serve shop.zip --port 8000``. ``create_app``
# is the same application, for a server or a test of your own. Here uvicorn runs it in a thread of
# this page.
import threading
import time

import uvicorn

from sessionprompt import make_session_pipeline
from sessionprompt.datasets import make_sessions
from sessionprompt.serving import create_app

sessions = make_sessions(1000, n_items=100, n_clusters=5, predictability=0.6, random_state=0)
model = make_session_pipeline("stamp", dim=16, random_state=0).fit(sessions)

server = uvicorn.Server(uvicorn.Config(create_app(model), port=0, log_level="warning"))
thread = threading.Thread(target=server.run, daemon=True)  # ends with this page
thread.start()
while not server.started:
    time.sleep(0.05)
port = server.servers[0].sockets[0].getsockname()[1]  # a free one was chosen

# %%
# A request
# ---------
import httpx

shop = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
answer = shop.post("/recommend", json={"session": sessions[0][:2], "k": 3})
answer.json()

# %%
# It is the answer of the model itself:
model.predict_topk([sessions[0][:2]], k=3, return_scores=True)

# %%
# Many sessions at once, with rules
# ---------------------------------
# Everything that ``predict_topk`` takes, a request takes as well, and the rules of lists: nothing
# that was seen, no more than two of a cluster, no blocked items. The second session is of a
# visitor of whom nothing is known yet; popular items answer it.
rules = {"k": 4, "exclude_seen": True, "max_per_group": 2, "exclude_items": ["item-03"]}
answer = shop.post("/recommend", json={"sessions": [sessions[0][:2], []], **rules})
for one in answer.json()["recommendations"]:
    print(one["known_events"], one["items"])

# %%
# What cannot be answered
# -----------------------
# gets the status 422, and a sentence that says why.
for body in ({"session": ["item-07"], "k": 5000}, {"session": "item-07"}, {"sesion": ["item-07"]}):
    answer = shop.post("/recommend", json=body)
    print(answer.status_code, answer.json()["detail"])

# %%
# How long does it take?
# ----------------------
# One client alone, and several at once, each with a connection of its own. Requests that come while
# the model works are answered together by its next pass, so thirty-two clients do not wait
# thirty-two times as long. Clients and server share the core of this page;
# ``benchmarks/speed/serving.py`` measures a process of its own.
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt


def ask(number):
    waits = []
    with httpx.Client(base_url=shop.base_url, timeout=60) as client:
        for session in sessions[number : number + 5]:
            begun = time.perf_counter()
            client.post("/recommend", json={"session": session, "k": 10}).raise_for_status()
            waits.append(1e3 * (time.perf_counter() - begun))
    return waits


crowds = (1, 8, 32)
waits = []
for n_clients in crowds:
    with ThreadPoolExecutor(n_clients) as pool:
        waits.append([wait for own in pool.map(ask, range(n_clients)) for wait in own])

figure, panel = plt.subplots(figsize=(6.4, 3), layout="constrained")
panel.boxplot(waits, whis=(0, 100), tick_labels=crowds)
panel.set_ylim(bottom=0)
panel.set_xlabel("clients at once")
panel.set_ylabel("ms for an answer")
panel.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# State and stop
# --------------
shop.get("/health").json(), shop.get("/metadata").json()

# %%
server.should_exit = True
thread.join()
