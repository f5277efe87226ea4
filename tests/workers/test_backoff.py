from workers.backoff import Backoff


def test_a_process_that_lived_is_replaced_at_once() -> None:
    """However often, if it ran for a while each time."""
    backoff = Backoff()
    assert [backoff.after(60) for _ in range(5)] == [0, 0, 0, 0, 0]


def test_one_that_ends_soon_after_its_start_waits_twice_as_long_each_time() -> None:
    """At first not at all, at last half a minute."""
    backoff = Backoff()
    assert [backoff.after(0.1) for _ in range(10)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_life_that_was_long_enough_ends_the_waiting() -> None:
    """The next end is the first again."""
    backoff = Backoff()
    for _ in range(4):
        backoff.after(0.1)
    assert [backoff.after(60), backoff.after(0.1)] == [0, 0.5]
