"""gunicorn as the site is deployed: gunicorn -c deploy/gunicorn.conf.py recsite.wsgi

Any of it can be overridden on the command line, and the number of processes by WEB_CONCURRENCY.
"""

import gc
import os

from recsite.logs import LOG_JSON, LOGGING

# Each request has a thread. Arithmetic with threads of its own beside it would only take turns with the other requests.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

worker_class = "gthread"
threads = 4
# Several workers are copies of one process that has imported the site already: four hold 320 MB together, where each
# importing it for itself took 480. One alone is lighter without the process that it would be a copy of.
preload_app = int(os.environ.get("WEB_CONCURRENCY", "1")) > 1
keepalive = 15  # seconds; longer than the proxy in front keeps an idle connection, or it would send into a closed one

# gunicorn's own lines look like the site's. Should you switch its access log on (accesslog = "-"): a path holds
# customers' keys, search words or the key of a password reset, so neither path, query, referrer nor address is in it.
logconfig_dict = LOGGING
access_log_format = (
    '{"event": "request", "method": "%(m)s", "status": "%(s)s", "bytes": "%(B)s", "ms": "%(M)s"}'
    if LOG_JSON
    else "%(m)s %(s)s %(B)s bytes %(M)s ms"
)


def when_ready(server):
    gc.freeze()  # before there are copies: to search what is imported for garbage would tear apart what they share


def post_worker_init(worker):
    """Each worker follows what is promoted, and puts lists on record, in threads of its own: no visitor waits for a
    model that opens, or for a row."""
    from recommender import feedback, serving

    serving.keep_watch()
    feedback.start_recorder()
