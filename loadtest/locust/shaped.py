"""What lets Locust run one of ``loadtest.locust.shapes``; importing this imports Locust."""

from argparse import Namespace

from locust import LoadTestShape, runners
from locust.env import Environment

from loadtest.locust.shapes import SHAPES, Plan, Seen


class Shaped(LoadTestShape):
    """Runs one of ``loadtest.locust.shapes``, and at its end lets every user wait for the answer to its last request.

    Locust's own --run-time ends its processes half a second after it told them to stop, and with them all requests that
    are under way: the slowest ones would be missing from the result.

    Args:
        environment: Locust's.
        options: the command line's.

    Attributes:
        most_users: so many were there at a time.
    """

    abstract = True  # for Locust, which would otherwise take it as soon as it sees it
    use_common_options = True

    def __init__(self, environment: Environment, options: Namespace) -> None:
        super().__init__()
        self.runner = environment.runner
        self.most_users = 0
        self._options = options
        self._leaving = False
        self._gone = False
        self._reported: set[str] = set()
        environment.events.worker_report.add_listener(self._note)

    def reset_time(self) -> None:
        """Start anew."""
        super().reset_time()
        self.most_users, self._leaving, self._gone = 0, False, False
        self._reported.clear()

    def tick(self) -> tuple[int, float] | None:
        """See ``LoadTestShape.tick``."""
        assert self.runner is not None  # noqa: S101 - the constructor set it
        options, at = self._options, self.get_run_time()
        self.most_users = max(self.most_users, self.runner.user_count)
        plan = Plan(options.num_users or 1, options.spawn_rate or 1, options.run_time or 600, options.bound_ms)
        target = None if self._leaving else SHAPES[options.shape](plan, at, self._seen())
        return target or self._farewell(plan, at)

    def _seen(self) -> Seen:
        assert self.runner is not None  # noqa: S101 - the constructor set it
        total = self.runner.stats.total
        return Seen(total.get_current_response_time_percentile(0.95) or 0, total.current_fail_per_sec)

    def _farewell(self, plan: Plan, at: float) -> tuple[int, float] | None:
        """No users any more; then None, as soon as all have left and the last statistics are here."""
        assert self.runner is not None  # noqa: S101 - the constructor set it
        if not self._leaving:
            self._leaving = True
            runners.logger.info(
                f"the shape {self._options.shape} ended after {at:.0f} s, {self.runner.user_count} users"
            )
        if not self._gone and self.runner.user_count == 0:
            self._gone = True
            self._reported.clear()
        return None if self._gone and self._all_have_reported() else (0, float(plan.users))

    def _all_have_reported(self) -> bool:
        """Whether each generator process that is not lost has told what it saw since the last user left."""
        if not isinstance(self.runner, runners.MasterRunner):
            return True
        there = {client.id for client in self.runner.clients.all if client.state != runners.STATE_MISSING}
        return there <= self._reported

    def _note(self, client_id: str, **_: object) -> None:
        """A generator process has reported all that it saw until then; what it sends keeps its order."""
        self._reported.add(client_id)
