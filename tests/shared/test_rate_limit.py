import pytest

from shared import rate_limit
from shared.auth import Identity
from shared.errors import TooManyRequests
from shared.rate_limit import RateLimit


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _caller(tenant: str = "a", source: str | None = None, *scopes: str) -> Identity:
    return Identity("me", tenant, frozenset(scopes or ("evidence:write",)), source)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_passes_and_then_so_many_a_second(clock: Clock) -> None:
    limit = RateLimit(10, clock)
    for _ in range(20):
        limit.check(_caller())
    with pytest.raises(TooManyRequests, match="more than 10 requests a second") as refused:
        limit.check(_caller())
    assert refused.value.retry_after_s == pytest.approx(0.1)

    clock.now += 1
    for _ in range(10):
        limit.check(_caller())
    with pytest.raises(TooManyRequests):
        limit.check(_caller())


def test_who_is_refused_does_not_wait_longer_for_asking(clock: Clock) -> None:
    limit = RateLimit(10, clock)
    for _ in range(20):
        limit.check(_caller())
    for _ in range(50):
        with pytest.raises(TooManyRequests):
            limit.check(_caller())
    clock.now += 0.1001

    limit.check(_caller())


def test_tenants_and_sources_do_not_use_up_each_others(clock: Clock) -> None:
    limit = RateLimit(1, clock)
    for caller in (_caller("a"), _caller("b"), _caller("a", "urn:lms"), _caller("a", "urn:sis")):
        limit.check(caller)
        limit.check(caller)
        with pytest.raises(TooManyRequests):
            limit.check(caller)


def test_services_and_installations_without_a_limit_are_not_counted(clock: Clock) -> None:
    limit, none = RateLimit(1, clock), RateLimit(0, clock)
    for _ in range(10):
        limit.check(_caller("a", None, "service"))
        none.check(_caller())


def test_callers_are_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "CALLERS_MAX", 3)
    limit = RateLimit(1, clock)
    for number in range(10):
        limit.check(_caller(f"t-{number}"))

    assert len(limit._buckets) == 3


def test_a_tenant_may_have_a_rate_of_its_own(clock: Clock) -> None:
    limit = RateLimit(10, clock)
    limit.per_s_of = {"a": 1.0, "b": 0.0}.__getitem__
    for _ in range(2):
        limit.check(_caller("a"))
    with pytest.raises(TooManyRequests, match="more than 1 requests a second"):
        limit.check(_caller("a"))
    for _ in range(50):
        limit.check(_caller("b"))
