"""A Django project that is not ours: other users, other keys, other relations, and nothing of the shop.

`tests/recommender/source/test_foreign_shapes.py` runs its suites, once for each kind of auth user, in processes of
their own, as a project has one auth user. One of them alone:

    FOREIGN_USER=uuid .venv/bin/python -m pytest -c tests/foreign/pytest.ini tests/foreign/signed_in.py
"""
