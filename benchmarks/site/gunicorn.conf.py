"""deploy/gunicorn.conf.py for the site without the recommender: all of it but what the recommender's threads do,
and the core that answers are pinned to."""

import runpy
from pathlib import Path

_deployed = Path(__file__).resolve().parents[2] / "deploy" / "gunicorn.conf.py"
_settings = runpy.run_path(str(_deployed))
globals().update({name: value for name, value in _settings.items() if not name.startswith("_")})


def post_worker_init(worker):
    _settings["_keep_what_is_imported"]()
