"""deploy/gunicorn.conf.py for the site without the recommender: all of it but what the recommender's threads do."""

import runpy
from pathlib import Path

_deployed = Path(__file__).resolve().parents[2] / "deploy" / "gunicorn.conf.py"
_settings = runpy.run_path(str(_deployed))
del _settings["post_worker_init"]
globals().update({name: value for name, value in _settings.items() if not name.startswith("_")})
