"""The two tiers as one: which rows are looked up, computed, shared and counted."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import deadlines
from app.cache.base import Entry
from app.cache.book import Book, Plan
from app.cache.likeness import Likeness
from app.cache.tally import Tally
from app.errors import DeadlineExceeded, ModelFailed
from app.tensors import ANY_AGE, Freshness
from tests.models import fragile, linear, mixing, stretching
from tests.unit.cache.subjects import ALWAYS, Busy, Counted, ask, cache_of, counts_of, feed_of

NO_CACHE, NO_STORE = Freshness(read=False), Freshness(read=False, store=False)
NEAR_ONLY, FAR_ONLY, OFF = Plan("on", "off"), Plan("off", "on"), Plan("off", "off")


class Shelf:
    """Tier 2 as a dict: what several workers share when Redis is well, and a switch for when it is not."""

    def __init__(self) -> None:
        self.held: dict[bytes, Entry] = {}
        self.up = True
        self.answering = True
        self.asked: list[int] = []

    def get_many(self, keys: Sequence[bytes], tally: Tally) -> list[Entry | None] | None:
        self.asked.append(len(keys))
        return [self.held.get(key) for key in keys] if self.answering else None

    def put_many(self, entries: Mapping[bytes, Entry], ttl: float, tally: Tally) -> None:
        self.held |= entries


@pytest.fixture
def within() -> Iterator[Callable[[float], None]]:
    """Gives the request of this thread so many seconds from now."""
    yield deadlines.begin
    deadlines.begin(None)


def test_a_repeated_row_is_computed_once() -> None:
    cache, subject = cache_of(), Counted()
    assert ask(cache, subject, [[1, 2]]) == ([5.5], "miss")
    assert ask(cache, subject, [[1, 2]]) == ([5.5], "hit-l1")
    assert subject.runs == [1]


def test_only_missing_rows_are_computed_and_duplicates_once() -> None:
    cache, subject = cache_of(), Counted()
    ask(cache, subject, [[0, 0], [1, 0]])
    subject.runs.clear()
    answers, source = ask(cache, subject, [[2, 0], [1, 0], [2, 0], [3, 0], [0, 0]])
    assert (answers, source) == ([2.5, 1.5, 2.5, 3.5, 0.5], "miss")
    assert subject.runs == [2]
    counts = counts_of(cache)
    assert (counts["hit-l1"], counts["miss"], counts.get("joins", 0)) == (2, 5, 0)
    assert ask(cache, subject, [[3, 0], [2, 0]]) == ([3.5, 2.5], "hit-l1")


def test_rows_come_from_wherever_they_are_in_one_round_trip() -> None:
    shelf, subject = Shelf(), Counted()
    one, other = cache_of(far=shelf), cache_of(far=shelf)
    ask(one, subject, [[0, 0], [1, 0], [2, 0]])
    ask(other, subject, [[0, 0], [9, 0]])
    shelf.asked.clear()
    answers, source = ask(other, subject, [[0, 0], [1, 0], [2, 0]])
    assert (answers, source) == ([0.5, 1.5, 2.5], "hit-l2")
    assert shelf.asked == [2]
    assert (counts_of(other)["hit-l1"], counts_of(other)["hit-l2"]) == (1, 3)
    assert ask(other, subject, [[1, 0], [2, 0]])[1] == "hit-l1"


def test_tier_2_is_asked_only_for_what_tier_1_lacks() -> None:
    shelf, subject = Shelf(), Counted()
    cache = cache_of(far=shelf)
    for _ in range(3):
        ask(cache, subject, [[1, 2]])
    assert shelf.asked == [1]


def test_a_tier_2_that_is_away_changes_nothing() -> None:
    shelf, subject = Shelf(), Counted()
    shelf.answering = False
    cache = cache_of(Plan(), far=shelf)
    before = cache
    for number in range(200):
        assert ask(cache, subject, [[number, 1]])[0] == [number + 2.5]
    book = before.books()[0]
    assert (book.far.hit.value, book.far.lookup.count) == (0.5, 4)
    shelf.up = False
    asked = len(shelf.asked)
    ask(cache, subject, [[-1, 1]])
    assert len(shelf.asked) == asked


def test_tier_2_waits_until_it_is_known_what_was_cleared() -> None:
    shelf = Shelf()
    cache = cache_of(far=shelf)
    cache.epoch = None
    ask(cache, Counted(), [[1, 2]])
    assert shelf.asked == []
    cache.turn_epoch(0)
    ask(cache, Counted(), [[2, 2]])
    assert shelf.asked == [1]


def test_what_comes_from_tier_2_lives_no_longer_in_tier_1() -> None:
    shelf, subject = Shelf(), Counted()
    ask(cache_of(Plan("on", "on", ttl=10), far=shelf), subject, [[1, 2]])
    ((key, entry),) = shelf.held.items()
    shelf.held[key] = Entry(entry.outputs, time.time() - 9.9, entry.cost_s)
    cache = cache_of(Plan("on", "on", ttl=10), far=shelf)
    assert ask(cache, subject, [[1, 2]])[1] == "hit-l2"
    time.sleep(0.15)
    assert ask(cache, subject, [[1, 2]])[1] == "miss"


def test_an_entry_older_than_the_version_may_keep_is_a_miss() -> None:
    shelf, subject = Shelf(), Counted()
    ask(cache_of(far=shelf), subject, [[1, 2]])
    ((key, entry),) = shelf.held.items()
    shelf.held[key] = Entry(entry.outputs, time.time() - 11, entry.cost_s)
    assert ask(cache_of(Plan("on", "on", ttl=10), far=shelf), subject, [[1, 2]])[1] == "miss"


def test_a_clock_that_is_ahead_elsewhere_lets_nothing_live_longer() -> None:
    shelf, subject = Shelf(), Counted()
    ask(cache_of(far=shelf), subject, [[1, 2]])
    ((key, entry),) = shelf.held.items()
    shelf.held[key] = Entry(entry.outputs, time.time() + 3600, entry.cost_s)
    cache = cache_of(Plan("on", "on", ttl=0.1), far=shelf)
    assert ask(cache, subject, [[1, 2]])[1] == "hit-l2"
    shelf.held.clear()
    time.sleep(0.15)
    assert ask(cache, subject, [[1, 2]])[1] == "miss"


@pytest.mark.parametrize(
    ("freshness", "source", "stored"),
    [(NO_CACHE, "miss", True), (NO_STORE, "bypass", False), (Freshness(max_age=0), "miss", True)],
    ids=["no-cache", "no-store", "max-age=0"],
)
def test_a_caller_may_ask_for_fresh_answers(freshness: Freshness, source: str, stored: bool) -> None:
    cache, subject = cache_of(), Counted()
    assert ask(cache, subject, [[1, 2]], freshness)[1] == source
    assert (ask(cache, subject, [[1, 2]])[1] == "hit-l1") is stored
    assert ask(cache, subject, [[1, 2]], freshness)[1] == source


def test_an_age_is_that_of_the_oldest_row() -> None:
    shelf, subject = Shelf(), Counted()
    ask(cache_of(far=shelf), subject, [[1, 2], [3, 4]])
    for number, (key, entry) in enumerate(list(shelf.held.items())):
        shelf.held[key] = Entry(entry.outputs, time.time() - 10 * number - 5.5, entry.cost_s)
    outcome = cache_of(far=shelf).outputs(subject, feed_of([[1, 2], [3, 4]]), 2, ANY_AGE)
    assert outcome.age == 15


def test_off_means_off() -> None:
    cache, subject = cache_of(OFF), Counted()
    assert [ask(cache, subject, [[1, 2]])[1] for _ in range(3)] == ["bypass"] * 3
    assert cache.warm(subject, feed_of([[1, 2]]), 1) == []


def test_another_digest_never_meets_the_old_entries() -> None:
    cache, old, new = cache_of(far=Shelf()), Counted(), Counted(linear((1.0, 3.0)))
    assert old.label == new.label
    assert ask(cache, old, [[1, 2]])[0] == [5.5]
    assert ask(cache, new, [[1, 2]]) == ([7.5], "miss")
    assert ask(cache, old, [[1, 2]])[0] == [5.5]


def test_a_manifest_that_reads_the_same_weights_otherwise_is_another_version() -> None:
    assert Counted(linear()).digest != Counted(linear().but(created="2027-01-01T00:00:00Z")).digest


def test_an_answer_computed_before_a_clear_is_not_remembered_after_it() -> None:
    shelf, running, go_on = Shelf(), threading.Event(), threading.Event()

    def during() -> None:
        running.set()
        assert go_on.wait(10)

    slow, cache = Counted(during=during), cache_of(far=shelf)
    thread = threading.Thread(target=ask, args=(cache, slow, [[1, 2]]))
    thread.start()
    assert running.wait(10)
    cache.turn_epoch(5)
    go_on.set()
    thread.join(10)
    assert ask(cache, Counted(), [[1, 2]])[1] == "miss"
    other_worker = cache_of(far=shelf)
    other_worker.turn_epoch(5)
    assert ask(other_worker, Counted(), [[1, 2]])[1] == "hit-l2"
    assert len(shelf.held) == 2


def test_older_epochs_are_ignored() -> None:
    cache, subject = cache_of(), Counted()
    cache.turn_epoch(7)
    ask(cache, subject, [[1, 2]])
    cache.turn_epoch(3)
    assert cache.epoch == 7
    assert ask(cache, subject, [[1, 2]])[1] == "hit-l1"


def test_books_opened_while_the_epoch_turns_have_the_new_one() -> None:
    cache = cache_of()
    done = threading.Event()

    def turn() -> None:
        for epoch in range(1, 400):
            cache.turn_epoch(epoch)
        done.set()

    thread = threading.Thread(target=turn)
    thread.start()
    number = 0
    while not done.is_set():
        cache.forget("linear/v1")
        ask(cache, Counted(), [[number, 0]])
        number += 1
    thread.join()
    ask(cache, Counted(), [[1, 2]])
    fresh = cache_of()
    fresh.turn_epoch(399)
    ask(fresh, Counted(), [[1, 2]])
    feed = feed_of([[1, 2]])
    assert cache.books()[0].keys(feed, 1) == fresh.books()[0].keys(feed, 1)


def test_another_engine_has_other_keys() -> None:
    """Two machines of one Redis, one of which has been brought up to date: versions may differ in the last digit."""
    books = [Book(Counted(), ALWAYS, True, Tally(), f"onnxruntime 1.{minor}") for minor in (30, 31)]
    keys = [{book.keys(feed_of([[1, 2]]), 1)[0], *book.keys(feed_of([[1, 2], [3, 4]]), 2)} for book in books]
    assert keys[0].isdisjoint(keys[1])


@pytest.mark.parametrize("plan", [NEAR_ONLY, ALWAYS], ids=["tier 1", "both"])
def test_five_hundred_at_once_compute_once(plan: Plan) -> None:
    cache, subject = cache_of(plan, far=Shelf()), Counted(during=lambda: time.sleep(0.05))
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: ask(cache, subject, [[1, 2]])[0], range(500)))
    assert answers == [[5.5]] * 500
    assert subject.runs == [1]
    counts = counts_of(cache)
    assert counts["miss"] - counts["joins"] == 1
    assert counts["miss"] + counts.get("hit-l1", 0) == 500


def test_eight_threads_compute_each_key_once() -> None:
    """Quick computations too: one that lands between another's lookup and its boarding is not done again."""
    cache, subject = cache_of(NEAR_ONLY), Counted()
    start = threading.Barrier(8)

    def work(_: int) -> None:
        for number in range(300):
            if number % 50 == 0:
                start.wait(10)
            assert ask(cache, subject, [[number, 1]])[0] == [number + 2.5]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(subject.runs) == 300


def test_overlapping_batches_share_rows_without_deadlock() -> None:
    cache, subject = cache_of(NEAR_ONLY), Counted(during=lambda: time.sleep(0.002))
    cache.outputs(subject, feed_of([[-1, 0], [-2, 0]]), 2, ANY_AGE)
    subject.runs.clear()

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(20):
            rows = [[int(number), 1] for number in random.integers(0, 60, 12)]
            assert ask(cache, subject, rows)[0] == [row[0] + 2.5 for row in rows]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert sum(subject.runs) == 60
    assert cache._flights._flights == {}


def test_after_a_leader_that_fails_one_of_the_others_leads() -> None:
    failures = threading.Semaphore(0)

    def during() -> None:
        time.sleep(0.05)
        if not failures.acquire(blocking=False):
            failures.release()
            failures.release()
            failures.release()
            failures.release()
            raise ModelFailed("linear", "v1", "the first one dies")

    cache, subject = cache_of(NEAR_ONLY), Counted(during=during)

    def work(_: int) -> Any:
        try:
            return ask(cache, subject, [[1, 2]])[0]
        except ModelFailed:
            return "failed"

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(work, range(4)))
    assert sorted(map(str, answers)) == ["[5.5]"] * 3 + ["failed"]
    assert len(subject.runs) == 2
    assert cache._flights._flights == {}


def test_a_failure_is_not_remembered() -> None:
    cache, subject = cache_of(), Counted(fragile())
    for _ in range(2):
        with pytest.raises(ModelFailed):
            cache.outputs(subject, {"X": np.array([[9.0]], dtype=np.float32)}, 1, ANY_AGE)
    assert subject.runs == [1, 1]


def test_rows_that_change_each_other_are_remembered_alone_only() -> None:
    cache, subject = cache_of(), Counted(mixing())
    feed = {"X": np.array([[1.0], [3.0]], dtype=np.float32)}
    for _ in range(3):
        outcome = cache.outputs(subject, feed, 2, ANY_AGE)
        assert (outcome.outputs["Y"].ravel().tolist(), outcome.source) == ([-1.0, 1.0], "bypass")
    sources = [cache.outputs(subject, {"X": feed["X"][:1]}, 1, ANY_AGE).source for _ in range(2)]
    assert sources == ["miss", "hit-l1"]
    assert cache.books()[0].likeness is Likeness.MIXED


def test_judging_takes_no_callers_time_to_answer(within: Callable[[float], None]) -> None:
    """Two dozen runs tell how a model takes company; who has time for two gets an answer, who has more finds it out."""
    cache, subject = cache_of(), Busy(0.01)
    for number in range(2):
        within(0.1)
        assert ask(cache, subject, [[number, 2], [number, 4]]) == ([number + 4.5, number + 8.5], "bypass")
    assert cache.books()[0].likeness is None
    within(60)
    assert ask(cache, subject, [[1, 2], [3, 4]]) == ([5.5, 11.5], "miss")


def test_a_judge_that_runs_out_of_time_leaves_the_rows_to_be_computed(within: Callable[[float], None]) -> None:
    calls: list[float] = []

    def lapse() -> None:
        calls.append(1)
        if len(calls) == 4:
            raise DeadlineExceeded(0.0)

    cache, subject = cache_of(), Counted(during=lapse)
    within(60)
    ask(cache, subject, [[0, 0]])
    assert ask(cache, subject, [[1, 2], [3, 4]]) == ([5.5, 11.5], "bypass")


def test_rows_whose_shapes_do_not_meet_are_computed_together() -> None:
    cache, subject = cache_of(), Counted(stretching())
    narrow, wide = [1.0, 5.0, 6.0], [3.0, 7.0, 8.0]
    expected = Counted(stretching())
    for rows in ([narrow, narrow], [wide, wide], [narrow, wide], [wide, narrow], [narrow], [wide]):
        feed = {"X": np.array(rows, dtype=np.float32)}
        outcome = cache.outputs(subject, feed, len(rows), ANY_AGE)
        assert outcome.outputs["Y"].tolist() == expected.run(feed)["Y"].tolist(), rows


def test_what_is_remembered_cannot_be_written_to() -> None:
    cache, subject = cache_of(NEAR_ONLY), Counted()
    for rows in ([[1, 2]], [[3, 4], [5, 6]]):
        ask(cache, subject, rows)
    for row in ([1, 2], [3, 4]):
        array = cache.outputs(subject, feed_of([row]), 1, ANY_AGE).outputs["Y"]
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0


def test_a_remembered_row_keeps_no_batch_alive() -> None:
    cache, subject = cache_of(NEAR_ONLY), Counted()
    ask(cache, subject, [[number, 0] for number in range(100)])
    assert all(held.entry.outputs["Y"].base is None for held in cache._near._held.values())


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=5), max_size=8))
def test_whatever_is_asked_in_whatever_order_the_answers_are_the_models(requests: list[list[tuple[int, int]]]) -> None:
    shelf, subject = Shelf(), Counted()
    caches = [cache_of(ALWAYS, far=shelf), cache_of(FAR_ONLY, far=shelf), cache_of(NEAR_ONLY, entries=2)]
    fresh = Counted()
    for number, rows in enumerate(requests):
        feed = feed_of(rows)
        outcome = caches[number % 3].outputs(subject, feed, len(rows), ANY_AGE)
        assert outcome.outputs["Y"].tobytes() == fresh.run(feed)["Y"].tobytes()


def test_every_row_is_counted_once() -> None:
    cache, subject = cache_of(Plan("auto", "auto"), far=Shelf()), Counted()
    random = np.random.default_rng(5)
    asked = 0
    for _ in range(400):
        rows = random.integers(0, 40, (int(random.integers(1, 6)), 2)).tolist()
        ask(cache, subject, rows)
        asked += len(rows)
    counts = counts_of(cache)
    assert sum(counts.get(source, 0) for source in ("hit-l1", "hit-l2", "miss", "bypass")) == asked


def test_savings_are_the_computing_that_was_spared() -> None:
    cache, subject = cache_of(NEAR_ONLY), Busy(0.003)
    for _ in range(11):
        ask(cache, subject, [[1, 2]])
    assert counts_of(cache)["saved_s"] >= 0.03
    assert counts_of(cache)["saved_s"] == pytest.approx(10 * cache.books()[0].cost.value)


def test_warming_serves_single_rows_and_is_no_miss() -> None:
    cache, subject = cache_of(Plan("auto", "auto"), far=Shelf()), Counted()
    assert cache.warm(subject, feed_of([[1, 2], [3, 4]]), 2) == ["l1", "l2"]
    assert [ask(cache, subject, [row])[1] for row in ([1, 2], [3, 4])] == ["hit-l1", "hit-l1"]
    counts = counts_of(cache)
    assert (counts["warmed"], counts.get("miss", 0)) == (2, 0)


def test_books_do_not_pile_up() -> None:
    cache = cache_of()
    for number in range(50):
        ask(cache, Counted(linear(bias=float(number))), [[1, 2]])
    assert len(cache.books()) == len(cache.tallies()) == 1
    cache.forget("linear/v1")
    assert cache.books() == []
