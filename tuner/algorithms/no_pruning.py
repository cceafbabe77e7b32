"""Every trial trains to its end."""

from tuner.algorithms.pruning import GO_ON, Decision, PruningTask


class NoPruning:
    """A pruner that never stops a trial."""

    def observe(self, number: int, step: int, value: float) -> None:
        """Changes nothing."""

    def rewind(self, number: int, step: int) -> None:
        """Changes nothing."""

    def finish(self, number: int, state: str) -> None:
        """Changes nothing."""

    def decide(self, number: int, step: int, value: float) -> Decision:
        """The trial goes on."""
        return GO_ON


def no_pruning(task: PruningTask) -> NoPruning:  # noqa: ARG001 - every factory takes its task
    """Every trial trains to its end."""
    return NoPruning()
