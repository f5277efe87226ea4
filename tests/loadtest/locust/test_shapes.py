"""The number of users over time."""

import pytest

from loadtest.locust.shapes import SHAPES, Plan, Seen

PLAN = Plan(users=1000, rate=50, seconds=100, bound_ms=500)
FINE, SLOW, FAILING = Seen(20, 0), Seen(501, 0), Seen(20, 0.1)


def users(shape: str, at: float, seen: Seen = FINE) -> int | None:
    """How many there should be."""
    target = SHAPES[shape](PLAN, at, seen)
    return target and target[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_ends_in_time_and_reaches_all_users(shape: str) -> None:
    """Never more than all, at some time all, and after the time none."""
    numbers = [users(shape, at) for at in range(100)]
    assert None not in numbers
    assert max(number for number in numbers if number is not None) == 1000
    assert users(shape, 100) is None


def test_a_ramp_takes_all_the_time() -> None:
    """Its rate brings the last user at the end."""
    assert SHAPES["ramp"](PLAN, 0, FINE) == (1000, 10)


def test_stairs_go_up_by_tenths() -> None:
    """Each tenth of the time has a tenth of the users more."""
    assert [users("stairs", at) for at in (0, 9.9, 10, 55, 99)] == [100, 100, 200, 600, 1000]


@pytest.mark.parametrize("seen", [pytest.param(SLOW, id="slow"), pytest.param(FAILING, id="failing")])
def test_stairs_end_where_the_server_does(seen: Seen) -> None:
    """A step is judged in its second half, when its users are there."""
    assert users("stairs", 32, seen) == 400
    assert users("stairs", 36, seen) is None
    assert users("stairs", 36) == 400


def test_a_spike_is_sudden_and_passes() -> None:
    """Ten times the users within a second, and then as before."""
    assert [users("spike", at) for at in (0, 33, 34, 66, 67)] == [100, 100, 1000, 1000, 100]
    assert SHAPES["spike"](PLAN, 34, FINE) == (1000, 1000)


def test_a_soak_lets_half_of_the_users_come_and_go() -> None:
    """Connections are closed and made all the time."""
    assert [users("soak", at) for at in (0, 4, 6, 10, 16)] == [1000, 1000, 500, 1000, 500]
