"""What people do in the dashboard harms no study, while a launch runs and when none does."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import optuna
import pytest
from dashboard_server import Dashboard, serving
from history import check_history
from ledger_bench import Bench
from optuna.trial import TrialState
from stubs import lane_info

import tuner
from tuner.cli.dashboard import LOOPBACK
from tuner.errors import StudyDeletedError
from tuner.ledger_host import LedgerHost
from tuner.messages import Snapshot, Turn
from tuner.storage import open_storage

FILE = "data:text/plain;base64," + base64.b64encode(b"seen").decode()
AT = 5  # the trial during which somebody uses the dashboard


@pytest.fixture
def dashboard(url: str) -> Iterator[Dashboard]:
    """A dashboard over a database without a study."""
    open_storage(url).close()
    with serving(url) as served:
        yield served


def launch(url: str, during: Callable[[optuna.Trial], Any], **keys: Any) -> tuner.Study:
    """A function tuned in this process; in trial 5 somebody uses the dashboard."""

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        trial.report(x, 1)
        if trial.number == AT:
            during(trial)
        return x

    given = {"trials": 12, "study": "s", "sampler": {"name": "random"}} | keys
    return tuner.launch(objective, storage=url, inline=True, **given)


def told(values: list[Any] | None, state: str = "Complete") -> dict[str, Any]:
    """What the dashboard sends to tell a trial."""
    return {"state": state} | ({} if values is None else {"values": values})


def test_using_it_while_a_launch_runs(url: str, dashboard: Dashboard) -> None:
    """Notes, attributes, uploads, other studies: the launch goes on, and they are there."""
    note = {"body": "mine", "version": 1}
    new = {"study_name": "theirs", "directions": ["minimize"]}
    file = {"file": FILE, "filename": "seen.txt"}

    def during(_: optuna.Trial) -> None:
        study, trial = dashboard.studies()["s"], dashboard.trials("s")[AT]["trial_id"]
        acts: list[tuple[str, str, Any, int]] = [
            ("PUT", f"/api/studies/{study}/note", note, 204),
            ("PUT", f"/api/studies/{study}/{trial}/note", note, 204),
            ("POST", f"/api/trials/{trial}/user-attrs", {"user_attrs": {"seen": 1}}, 204),
            ("POST", f"/api/artifacts/{study}/{trial}", file, 201),
            ("POST", f"/api/artifacts/{study}", file, 201),
            ("POST", "/api/studies", new, 201),
            ("POST", "/api/studies", new, 400),
            ("GET", f"/api/studies/{study}/param_importances", None, 200),
        ]
        for method, path, body, status in acts:
            assert dashboard.ask(method, path, body)[0] == status, path

    study = launch(url, during)
    check_history(url, "s", n_trials=12)
    assert study.counts["COMPLETE"] == 12
    assert tuner.load("s", storage=url).trials[AT].user_attrs["seen"] == 1
    assert dashboard.studies().keys() == {"s", "theirs"}


def test_looking_changes_nothing(url: str, dashboard: Dashboard) -> None:
    """A study whose every page is read while it runs has the trials of one that nobody sees."""

    def look(_: optuna.Trial) -> None:
        study = dashboard.studies()["seen"]
        for path in ("", "/param_importances", "/plot/contour"):
            assert dashboard.ask("GET", f"/api/studies/{study}{path}")[0] == 200

    histories = [
        [(t.state, t.values, t.params, t.intermediate_values) for t in study.trials]
        for study in (launch(url, look, study="seen"), launch(url, lambda _: None))
    ]
    assert histories[0] == histories[1]


def test_what_would_harm_a_running_study_is_refused(url: str, dashboard: Dashboard) -> None:
    """Renaming it and telling a trial what is no result: a status and a reason, nothing changed."""
    refused = [told(None), told([1.0, 2.0]), told(["-inf"]), told(["nan"]), told(["good"])]
    refused += [told([1.0], "Running"), told([[1.0]]), told([1.0], "nonsense")]

    def during(_: optuna.Trial) -> None:
        study, trial = dashboard.studies()["s"], dashboard.trials("s")[AT]["trial_id"]
        for body in refused:
            status, answer = dashboard.ask("POST", f"/api/trials/{trial}/tell", body)
            assert (status, bool(answer["reason"])) == (400, True), body
        rename = f"/api/studies/{study}/rename"
        status, answer = dashboard.ask("POST", rename, {"study_name": "other"})
        assert status == 409
        assert answer["reason"].endswith("runs the study; stop it first.")

    study = launch(url, during)
    check_history(url, "s", n_trials=12)
    assert study.counts["COMPLETE"] == 12
    assert [trial.value for trial in study.trials] == [t.params["x"] for t in study.trials]


@pytest.mark.parametrize(
    ("body", "state", "values"),
    [(told([-3.0]), TrialState.COMPLETE, [-3.0]), (told(None, "Fail"), TrialState.FAIL, None)],
)
def test_telling_the_trial_that_runs(
    body: Any, state: TrialState, values: list[float] | None, url: str, dashboard: Dashboard
) -> None:
    """What was told by hand counts, what the function returns then is not, and the rest is run."""

    def during(_: optuna.Trial) -> None:
        trial = dashboard.trials("s")[AT]["trial_id"]
        assert dashboard.ask("POST", f"/api/trials/{trial}/tell", body)[0] == 204

    study = launch(url, during)
    check_history(url, "s", n_trials=12)
    assert (study.trials[AT].state, study.trials[AT].values) == (state, values)
    failed = [(AT, "another process told the trial", "")] if state == TrialState.FAIL else []
    assert study.failures() == failed
    assert sum(study.counts.values()) == 12


def test_pruned_rows_and_told_ones(url: str, dashboard: Dashboard) -> None:
    """Of rows that train together some are told by hand: the others go on, nothing is run twice."""
    told: dict[int, float] = {}

    def watch(snapshot: Snapshot) -> None:
        if told or snapshot.n_complete + snapshot.n_pruned < 3:
            return
        running = [t for t in dashboard.trials("s").values() if t["state"] == "Running"]
        for trial in running[:2]:
            body = {"state": "Complete", "values": [9.0]}
            assert dashboard.ask("POST", f"/api/trials/{trial['trial_id']}/tell", body)[0] == 204
            told[trial["number"]] = 9.0

    given = {"data": "iris", "epochs": 4, "slots": 4, "sampler": {"name": "random"}}
    study = tuner.launch(
        "mlp", trials=16, study="s", storage=url, inline=True, on_progress=watch, **given
    )
    assert told
    check_history(url, "s", n_trials=16)
    assert {n: study.trials[n].value for n in told} == told


def test_enqueued_trials_are_run(url: str, dashboard: Dashboard) -> None:
    """Trials that somebody enqueues and adds while a launch runs are run, or kept."""

    def during(_: optuna.Trial) -> None:
        theirs = optuna.load_study(study_name="s", storage=url)
        theirs.enqueue_trial({"x": 0.125})
        theirs.add_trial(optuna.trial.create_trial(value=-1.0))

    study = launch(url, during)
    check_history(url, "s", n_trials=12)
    assert [t.params for t in study.trials if t.params.get("x") == 0.125] == [{"x": 0.125}]
    assert study.best_trial.value == -1.0
    assert {t["state"] for t in dashboard.trials("s").values()} == {"Complete"}


def test_a_study_deleted_under_a_launch(url: str, dashboard: Dashboard) -> None:
    """The launch ends with one sentence and an exit code; other studies stay whole."""
    launch(url, lambda _: None, study="kept")

    def delete(_: Any) -> None:
        assert dashboard.ask("DELETE", f"/api/studies/{dashboard.studies()['s']}", {})[0] == 204

    with pytest.raises(StudyDeletedError) as info:
        launch(url, delete)
    assert info.value.exit_code == 3
    assert info.value.problems == (
        "study 's': was deleted while it ran; what it had is lost, launch it anew",
    )
    assert dashboard.studies().keys() == {"kept"}
    check_history(url, "kept", n_trials=12)
    launch(url, lambda _: None)
    check_history(url, "s", n_trials=12)


def test_a_deleted_study_ends_its_lanes(url: str, tmp_path: Path) -> None:
    """In a process of its own the ledger sends lanes away and tells the driver why."""
    bench = Bench(url, tmp_path)
    host = LedgerHost()
    host.open(url, bench.plan, bench.owner)
    assert host.join(lane_info()).answer.trials
    bench.storage.delete_study(bench.study_id)
    turn = Turn(lane=0, session="s0", index=1, n_free=1, leaving=True)
    assert host.exchange(turn).state == "done"
    with pytest.raises(StudyDeletedError, match=r"^study 's': was deleted while it ran"):
        host.tick()
    bench.storage.close()


def test_renaming_keeps_everything(url: str, dashboard: Dashboard) -> None:
    """A study that nobody runs has another name in place: spec, attempts and budget go on."""
    study = launch(url, lambda _: None)
    before = study.trials
    study_id = dashboard.studies()["s"]
    rename = f"/api/studies/{study_id}/rename"
    status, answer = dashboard.ask("POST", rename, {"study_name": "better"})
    assert (status, answer["study_id"], answer["study_name"]) == (201, study_id, "better")
    assert dashboard.studies() == {"better": study_id}
    renamed = tuner.load("better", storage=url)
    assert (renamed.spec.study, renamed.trials) == ("better", before)
    resumed = launch(url, lambda _: None, study="better", trials=15)
    assert resumed.counts["COMPLETE"] == 15
    check_history(url, "better", n_trials=15)


def test_names_that_cannot_be_given(url: str, dashboard: Dashboard) -> None:
    """Each is refused with a reason, and the study stays as it was."""
    launch(url, lambda _: None)
    launch(url, lambda _: None, study="taken", trials=1)
    rename = f"/api/studies/{dashboard.studies()['s']}/rename"
    for name in (None, "", "  ", 7, "a\nb", "x" * 513, "taken"):
        status, answer = dashboard.ask("POST", rename, {"study_name": name})
        assert (status, bool(answer["reason"])) == (400, True), name
    assert dashboard.studies().keys() == {"s", "taken"}
    check_history(url, "s", n_trials=12)


@pytest.mark.parametrize("key", ["77", "-1", str(2**63 - 1), str(2**63), str(-(2**70)), "9" * 5000])
def test_what_is_not_there_is_not_found(key: str, url: str, dashboard: Dashboard) -> None:
    """Whatever is done to a study or trial that is gone, or that no database could have, is 404."""
    optuna.create_study(study_name="s", storage=open_storage(url)).add_trial(
        optuna.trial.create_trial(value=1.0)
    )
    note, file = {"body": "x", "version": 1}, {"file": FILE, "filename": "seen.txt"}
    acts: list[tuple[str, str, Any]] = [
        ("GET", "/api/studies/KEY", None),
        ("GET", "/api/studies/KEY/plot/contour", None),
        ("DELETE", "/api/studies/KEY", {}),
        ("POST", "/api/studies/KEY/rename", {"study_name": "x"}),
        ("PUT", "/api/studies/KEY/note", note),
        ("PUT", "/api/studies/1/KEY/note", note),
        ("POST", "/api/trials/KEY/tell", told(None, "Fail")),
        ("POST", "/api/trials/KEY/user-attrs", {"user_attrs": {"seen": 1}}),
        ("POST", "/api/artifacts/KEY", file),
        ("POST", "/api/artifacts/1/KEY", file),
        ("GET", "/artifacts/1/KEY/abc", None),
        ("GET", "/csv/KEY", None),
    ]
    for method, path, body in acts:
        status, answer = dashboard.ask(method, path.replace("KEY", key), body)
        assert (status, bool(answer["reason"])) == (404, True), path
    assert dashboard.trials("s")[0]["note"]["version"] == 0


def test_a_trial_is_told_once(url: str, dashboard: Dashboard) -> None:
    """An ended trial keeps its value, and gets no attributes."""
    study = launch(url, lambda _: None)
    key = dashboard.trials("s")[0]["trial_id"]
    refused = (409, {"reason": "Trial 0 has ended already (COMPLETE)."})
    body = {"state": "Complete", "values": [0.0]}
    assert dashboard.ask("POST", f"/api/trials/{key}/tell", body) == refused
    seen = {"user_attrs": {"seen": 1}}
    assert dashboard.ask("POST", f"/api/trials/{key}/user-attrs", seen) == refused
    assert study.trials[0].value == study.trials[0].params["x"]


def test_a_table_holds_no_formula(url: str, dashboard: Dashboard) -> None:
    """Of the file that a spreadsheet opens, numbers stay as they are and other text is inert."""
    study = optuna.create_study(study_name="s", storage=open_storage(url))
    choice = optuna.distributions.CategoricalDistribution(["=1+1", 'plain, "1"\n2'])
    for word in choice.choices:
        trial = optuna.trial.create_trial(
            value=-1.5, params={"@x": word}, distributions={"@x": choice}
        )
        study.add_trial(trial)
    with urlopen(f"http://{LOOPBACK}:{dashboard.port}/csv/1") as answer:
        text = answer.read().decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["Number", "State", "Value", "Param @x"],
        ["0", "COMPLETE", "-1.5", "'=1+1"],
        ["1", "COMPLETE", "-1.5", 'plain, "1"\n2'],
    ]


def test_deleting_a_study_that_nobody_runs(url: str, dashboard: Dashboard) -> None:
    """Nothing of it is left, and a study under its name begins anew."""
    launch(url, lambda _: None)
    launch(url, lambda _: None, study="kept")
    study_id = dashboard.studies()["s"]
    assert dashboard.ask("DELETE", f"/api/studies/{study_id}", {})[0] == 204
    storage = open_storage(url)
    assert storage.records.get_spec(study_id) is None
    assert storage.records.attempts(study_id) == []
    storage.close()
    assert launch(url, lambda _: None, trials=4).counts["COMPLETE"] == 4
    check_history(url, "s", n_trials=4)
    check_history(url, "kept", n_trials=12)


@pytest.mark.parametrize("is_seen_at_once", [True, False])
def test_rows_told_by_others(is_seen_at_once: bool, url: str, tmp_path: Path) -> None:
    """Whether the ledger's memory knows or only the database, told rows end and others go on."""
    bench = Bench(url, tmp_path, n_slots=4)
    ledger = bench.ledger()
    lane = bench.lane(ledger)
    lane.start()
    assert lane.turn()
    theirs = bench.storage if is_seen_at_once else open_storage(url)
    running = theirs.get_all_trials(bench.study_id, states=(TrialState.RUNNING,))
    for trial, state, values in zip(
        running, (TrialState.COMPLETE, TrialState.FAIL), ([-1.0], None), strict=False
    ):
        theirs.set_trial_state_values(trial._trial_id, state, values)
    if not is_seen_at_once:
        theirs.close()
    lane.run()
    assert ledger.tick().best_number == running[0].number
    ledger.close()
    bench.storage.records.release(bench.study_id, bench.owner)
    bench.storage.close()
    check_history(url, "s", n_trials=12)


def test_a_told_trial_of_an_interrupted_study(url: str, tmp_path: Path) -> None:
    """A trial that waits for the study to go on is not run again once somebody told it."""
    bench = Bench(url, tmp_path, n_slots=4)
    ledger = bench.ledger()
    lane = bench.lane(ledger)
    lane.start()
    assert lane.turn()
    ledger.stop("interrupted")
    lane.run()
    ledger.close()
    waiting = bench.storage.get_all_trials(bench.study_id, states=(TrialState.RUNNING,))
    bench.storage.set_trial_state_values(waiting[0]._trial_id, TrialState.COMPLETE, [-1.0])
    ledger = bench.ledger()
    bench.lane(ledger, session="s1").run()
    ledger.close()
    bench.storage.records.release(bench.study_id, bench.owner)
    trial = bench.storage.get_trial(waiting[0]._trial_id)
    bench.storage.close()
    assert trial.value == -1.0
    check_history(url, "s", n_trials=12)
