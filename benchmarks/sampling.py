"""Whether the samplers find as good trials as Optuna's own TPE does, with few and many in flight.

Run: python benchmarks/sampling.py                                   (a minute)
     python benchmarks/sampling.py --seeds 20 --trials 300 --out runs/sampling.jsonl   (hours)

Eight test functions (with logarithmic, whole, gridded, categorical and conditional axes) and two
networks (`mlp` on breast_cancer and on wine, the ready space, 5 epochs, really trained: rows of
all studies go through shared cohorts) are optimised from each seed by three samplers: `ours`
(`tpe` as a study gets it), `optuna` (its `TPESampler` as anybody makes it) and `random`. A trial
takes as long as its number and the seed say, so that trials end out of order when 64 are in flight.

The regret of a study is how far its best value is from the minimum (of a network: from the best
value of all its studies). A difference is our regret less Optuna's after as many ended trials
from the same seed, divided by the median regret of random search: 1 is what is lost by searching
at random. Samplers are given their random state before every ask by the same rule, so where they
propose the same trials, differences are 0. Printed are medians over the seeds with the upper end
of their one-sided 95 % bootstrap interval, for each problem and over all.

With --out, results are kept and a later run does only what is missing.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
import torch
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from search_problems import PROBLEMS, Point, Problem

from search_spaces import Space
from trials.contract import Objective
from tuner.algorithms import make_sampler, reseed
from tuner.seeds import derive
from tuner.spec import SamplerSpec

LOSS = (Objective("loss", "minimize"),)
N_RESAMPLES = 4000
AIM = 0.02


def samplers(space: Space, in_flight: int) -> dict[str, Callable[[int], BaseSampler]]:
    """Who searches; each is made from a seed."""
    return {
        "ours": lambda seed: make_sampler(SamplerSpec(name="tpe"), space, LOSS, seed, in_flight),
        "optuna": lambda seed: TPESampler(seed=seed),
        "random": lambda seed: RandomSampler(seed=seed),
    }


@dataclass
class Search:
    """One study on its way; the order in which its trials end follows from seed and numbers.

    Attributes:
        running: When each ends, its number, and Optuna's handle.
        points: Of running trials that are not evaluated yet, by number.
        values: Of the other running ones.
        ended: Values in order of ending.
    """

    space: Space
    sampler: BaseSampler
    seed: int
    clock: float = 0.0
    running: list[tuple[float, int, optuna.Trial]] = field(default_factory=list)
    points: dict[int, Point] = field(default_factory=dict)
    values: dict[int, float] = field(default_factory=dict)
    ended: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.study = optuna.create_study(sampler=self.sampler)

    @property
    def must_evaluate(self) -> bool:
        """Whether the trial that ends next has no value yet."""
        return self.running[0][1] in self.points

    def ask(self) -> None:
        """Starts a trial."""
        number = len(self.ended) + len(self.running)
        reseed(self.sampler, derive(self.seed, "ask", number))
        trial = self.study.ask()
        self.points[number] = Point(self.space.suggest(trial), derive(self.seed, "trial", number))
        end = self.clock + 1 + derive(self.seed, "duration", number, bits=20) / 2**20
        heapq.heappush(self.running, (end, number, trial))

    def tell(self) -> None:
        """The trial that is done first ends; one without a finite value fails."""
        self.clock, number, trial = heapq.heappop(self.running)
        value = self.values.pop(number)
        self.ended.append(value if math.isfinite(value) else math.inf)
        if math.isfinite(value):
            self.study.tell(trial, value)
        else:
            self.study.tell(trial, state=TrialState.FAIL)


class Record(NamedTuple):
    """One search.

    Attributes:
        best: The best value by the number of trials ended.
    """

    problem: str
    in_flight: int
    sampler: str
    seed: int
    n_trials: int
    best: dict[str, float]

    @property
    def key(self) -> tuple[object, ...]:
        """What tells searches apart."""
        return self[:-1]


def searched(
    name: str, in_flight: int, n_trials: int, seeds: Sequence[int], done: set[tuple[object, ...]]
) -> Iterator[Record]:
    """The searches of one problem that are not done yet, side by side: rows share cohorts."""
    problem = PROBLEMS[name]()
    searches = {
        (sampler, seed): Search(problem.space, make(seed), seed)
        for sampler, make in samplers(problem.space, in_flight).items()
        for seed in seeds
        if (name, in_flight, sampler, seed, n_trials) not in done
    }
    n_asked = 0
    while n_asked < n_trials + in_flight:
        n_more = in_flight if n_asked == 0 else 1
        for search in searches.values():
            for _ in range(n_more):
                search.ask()
        # As late as can be: the more points are evaluated at once, the fuller the cohorts.
        if any(search.must_evaluate for search in searches.values()):
            evaluate(problem, searches.values())
        for search in searches.values():
            search.tell()
        n_asked += n_more
    for (sampler, seed), search in searches.items():
        best = {str(n): min(search.ended[:n]) for n in marks(n_trials)}
        yield Record(name, in_flight, sampler, seed, n_trials, best)


def evaluate(problem: Problem, searches: Collection[Search]) -> None:
    """All trials on their way have values."""
    asked = [(s.values, number, s.points[number]) for s in searches for number in s.points]
    found = problem.evaluate([point for _, _, point in asked])
    for (values, number, _), value in zip(asked, found, strict=True):
        values[number] = value
    for search in searches:
        search.points.clear()


def marks(n_trials: int) -> list[int]:
    """After how many trials samplers are compared."""
    return sorted({min(100, n_trials), n_trials})


def upper_bound(groups: Sequence[np.ndarray]) -> float:
    """The upper end of the one-sided 95 % bootstrap interval of the median of all groups' values.

    Values are drawn anew within each group.
    """
    rng = np.random.default_rng(0)
    drawn = [group[rng.integers(len(group), size=(N_RESAMPLES, len(group)))] for group in groups]
    return float(np.quantile(np.median(np.concatenate(drawn, axis=1), axis=1), 0.95))


def report(records: Iterable[Record], n_trials: int) -> None:
    """Prints the table."""
    kept = [record for record in records if record.n_trials == n_trials]
    lowest: dict[str, float] = {}
    for record in kept:
        lowest[record.problem] = min(lowest.get(record.problem, math.inf), *record.best.values())
    heading = f"{'problem':20s} {'in flight':>9s} {'trials':>6s} {'against':14s}"
    print(f"{heading} {'median':>8s} {'bound':>8s} {'seeds equal':>11s}")
    pooled: dict[tuple[int, int, str], list[np.ndarray]] = defaultdict(list)
    for problem, in_flight in sorted({(r.problem, r.in_flight) for r in kept}):
        known = PROBLEMS[problem]().minimum
        least = lowest[problem] if known is None else known
        regrets: dict[str, dict[int, Record]] = defaultdict(dict)
        for record in kept:
            if (record.problem, record.in_flight) == (problem, in_flight):
                regrets[record.sampler][record.seed] = record
        for n in marks(n_trials):
            at = str(n)
            scale = statistics.median(r.best[at] - least for r in regrets["random"].values())
            for against in sorted({*regrets} - {"ours", "random"}):
                seeds = sorted(regrets["ours"].keys() & regrets[against].keys())
                gaps = np.array(
                    [regrets["ours"][s].best[at] - regrets[against][s].best[at] for s in seeds]
                )
                pooled[in_flight, n, against].append(gaps / scale)
                _line(problem, in_flight, n, against, [gaps / scale])
    for (in_flight, n, against), groups in sorted(pooled.items()):
        _line("all", in_flight, n, against, groups)


def _line(problem: str, in_flight: int, n: int, against: str, groups: Sequence[np.ndarray]) -> None:
    gaps, bound = np.concatenate(groups), upper_bound(groups)
    verdict = "" if bound <= AIM else f"  above {AIM}"
    share = f"{int((np.abs(gaps) < 1e-9).sum())}/{len(gaps)}"
    what = f"{problem:20s} {in_flight:9d} {n:6d} {against:14s}"
    print(f"{what} {np.median(gaps):8.4f} {bound:8.4f} {share:>11s}{verdict}")


def read(path: Path | None) -> list[Record]:
    """The searches that a file keeps."""
    if path is None or not path.exists():
        return []
    return [Record(**json.loads(line)) for line in path.read_text().splitlines()]


def main() -> None:
    """Searches what is missing and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--seeds", type=int, default=3, help="studies of each kind")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--out", type=Path, help="file to keep results in, and to go on from")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    records = read(options.out)
    done = {record.key for record in records}
    for problem in options.problems:
        for in_flight in options.in_flight:
            seeds = range(options.seeds)
            for record in searched(problem, in_flight, options.trials, seeds, done):
                records.append(record)
                if options.out is not None:
                    with options.out.open("a") as file:
                        file.write(json.dumps(record._asdict()) + "\n")
    report(records, options.trials)


if __name__ == "__main__":
    main()
