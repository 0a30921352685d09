"""What the user tower is told of a person."""

import numpy as np

from recommender.engine.inputs import UserInputs, Vectors

ITEMS = Vectors(*(np.arange(8, dtype=np.float32)[:, None] + np.zeros((8, 3), np.float32) for _ in range(3)))


def people(*histories):
    made = [(np.array(h), 3600.0 * np.arange(len(h)), np.arange(len(h)) % 5 + 1.0) for h in histories]
    n = len(histories)
    return UserInputs.of(made, np.array([len(h) for h in histories]), np.zeros((n, 0), int), np.zeros((n, 0)), 6)


def test_lists_are_made_from_the_latest_purchases_and_ratings_from_more():
    feed = people([1, 2, 3, 4, 5, 6, 7], [3, 2]).feed(ITEMS, 4)
    assert feed["history"][0, :, 0].tolist() == [4, 5, 6, 7]
    assert feed["trace"][0, :, 0].tolist() == [4, 5, 6, 7]
    assert feed["factors"][0, :, 0].tolist() == [2, 3, 4, 5, 6, 7]
    assert feed["rating"][0].tolist() == [2, 3, 4, 5, 1, 2]
    assert feed["bucket"][0].tolist() == [5, 6, 2, 3]  # of the ratings 4, 5, 1 and 2
    assert feed["history"][1, :2, 0].tolist() == [3, 2]
    assert (feed["length"].tolist(), feed["read"].tolist()) == ([4, 2], [6, 2])


def test_a_short_history_is_the_same_for_both():
    feed = people([5], [2, 6]).feed(ITEMS, 4)
    assert feed["history"].shape[:2] == feed["factors"].shape[:2] == (2, 2)
    assert feed["length"].tolist() == feed["read"].tolist() == [1, 2]
