"""What the user tower is told of a person."""

from dataclasses import replace

import numpy as np

from recommender.engine.data.inputs import Stacked, UserInputs, Vectors

ITEMS = Vectors(*(np.arange(8, dtype=np.float32)[:, None] + np.zeros((8, 3), np.float32) for _ in range(3)))


def people(*histories):
    made = [(np.array(h), 3600.0 * np.arange(len(h)), np.arange(len(h)) % 5 + 1.0) for h in histories]
    n = len(histories)
    return UserInputs.of(made, np.array([len(h) for h in histories]), np.zeros((n, 0), int), np.zeros((n, 0)), 6)


def test_lists_are_made_from_the_latest_purchases_and_ratings_from_more():
    read = people([1, 2, 3, 4, 5, 6, 7], [3, 2])
    assert read.items[0].tolist() == [2, 3, 4, 5, 6, 7]
    assert read.rating[0].tolist() == [2, 3, 4, 5, 1, 2]
    assert read.length.tolist() == [6, 2]
    feed = read.latest(4).feed(ITEMS)
    assert feed["history"][0, :, 0].tolist() == [4, 5, 6, 7]
    assert feed["trace"][0, :, 0].tolist() == [4, 5, 6, 7]
    assert feed["bucket"][0].tolist() == [5, 6, 2, 3]  # of the ratings 4, 5, 1 and 2
    assert feed["history"][1, :2, 0].tolist() == [3, 2]
    assert feed["length"].tolist() == [4, 2]


def test_a_short_history_is_the_same_for_both():
    read = people([5], [2, 6])
    assert read.latest(4) is read


def test_what_was_bought_at_one_time_has_one_number():
    history = np.array([1, 2, 3, 4, 5, 6]), np.array([1.0, 1, 4, 4, 4, 9]), np.full(6, np.nan)
    none = np.zeros((1, 0), int)
    read = UserInputs.of([history], np.array([6]), none, none, 6)
    assert np.diff(read.moment[0]).tolist() == [0, 1, 0, 0, 1]
    assert np.diff(read.latest(3).moment[0]).tolist() == [0, 1]
    assert np.diff(read.since(np.array([0]), 3).moment[0]).tolist() == [0, 1]


def test_what_two_people_share_ends_at_the_first_difference():
    read = people([1, 2, 3, 4], [1, 2, 4], [1, 2], [1, 2, 3, 4], [2, 1], [])
    assert read.shared_with(np.zeros(6, np.int64)).tolist() == [4, 2, 2, 4, 0, 0]
    rated_otherwise = replace(read, rating=np.where(np.arange(4) == 1, np.nan, read.rating))
    assert rated_otherwise.shared_with(np.zeros(6, np.int64)).tolist() == [4, 2, 2, 4, 0, 0]
    alone = replace(read, gap=read.gap + np.arange(6)[:, None])
    assert alone.shared_with(np.zeros(6, np.int64)).tolist() == [4, 0, 0, 0, 0, 0]


def test_the_rest_of_a_history():
    rest = people([1, 2, 3, 4], [5, 6], [1, 2, 3]).since(np.array([2, 0]), np.array([1, 3]))
    assert rest.length.tolist() == [2, 1]
    assert (rest.items[0].tolist(), rest.items[1, 0]) == ([2, 3], 4)
    assert rest.known.tolist() == [3, 4]


def test_stacked_rows_are_read_as_those_of_one_array():
    rng = np.random.default_rng(0)
    first, more = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=(2, 3)).astype(np.float32)
    stacked, whole = Stacked(first, more), np.concatenate([first, more])
    assert (len(stacked), stacked.shape) == (7, (7, 3))
    for rows in (6, 0, slice(3, 7), slice(None), np.array([[6, 0], [4, 5]]), np.array([1, 2]), np.array([], np.int64)):
        assert np.array_equal(stacked[rows], whole[rows])
    assert stacked.parts[0] is first
