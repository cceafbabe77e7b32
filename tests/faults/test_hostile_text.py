"""Odd and hostile text, paths and links of others are kept exactly, or refused, and never act."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from crashes import N_TRIALS, launch, trials_of
from history import check_history
from optuna.artifacts.exceptions import ArtifactNotFound
from servers import Server

import tuner
from search_spaces import Categorical, Float, Space
from tuner.artifact_store import PlainFiles
from tuner.cli import main, service
from tuner.errors import InputError
from tuner.samples import stored_samples
from tuner.storage import open_storage

ODD = [
    "n" * 512,
    "\U0001f600 שלום",
    "q'\"`",
    "..",
    "../../up",
    "%s%d%%{x}",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "=1+1",
    "'; DROP TABLE studies; --",
]
UNPRINTABLE = ["a\0b", "a\nb", "\x1b[31mred", "\u202egnp"]


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("url"))
    server: Server = request.getfixturevalue("server")
    return server.new_database()


def test_odd_text_is_kept_exactly_and_shown_inert(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Axes, choices, metrics and attributes come back as they were; no way of showing them acts."""
    words = [*ODD, *UNPRINTABLE]

    def train(params: dict[str, Any], report: Any) -> dict[str, float]:
        assert params["choice"] in words
        report(step=0, **dict.fromkeys(ODD, 1.0))
        is_best = params["choice"] == UNPRINTABLE[2]
        return {ODD[4]: float(params[ODD[6]]) - is_best}

    space = Space(choice=Categorical(words), **{word: Float(0.0, 1.0) for word in ODD})
    keys: dict[str, Any] = {"objectives": [ODD[4]], "trials": 20, "seed": 0}
    keys |= {"sampler": {"name": "random"}}
    tuner.launch(train, space=space, storage=url, inline=True, study=ODD[7], **keys)
    check_history(url, ODD[7], n_trials=20)
    read = optuna.load_study(study_name=ODD[7], storage=url)
    assert set(read.trials[0].params) == {"choice", *ODD}
    assert {trial.params["choice"] for trial in read.trials} <= set(words)
    assert {word for word in ODD if word != ODD[4]} <= set(read.trials[0].user_attrs)
    where = ["--storage", url]
    assert main(["show", ODD[7], *where]) == 0
    assert main(["studies", *where]) == 0
    shown = capsys.readouterr().out
    assert "[31mred" in shown
    assert not set(shown) & {"\x1b", "\0", "\u202e"}
    assert main(["export", ODD[7], *where, "--out", str(tmp_path / "t.csv")]) == 0
    table = (tmp_path / "t.csv").read_text(encoding="utf-8")
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
    assert main(["report", ODD[7], *where, "--out", str(tmp_path / "r.html")]) == 0
    assert "<script>alert" not in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert main(["best", ODD[7], *where, "--out", str(tmp_path / "best")]) == 0
    made = {path.name for path in tmp_path.iterdir()}
    assert made <= {"studies.db", "studies.db-wal", "studies.db-shm", "studies-artifacts", "t.csv",
                    "r.html", "best"}  # fmt: skip


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "a\x1b[31mb"])
def test_an_error_of_any_text_is_stored(any_url: str, text: str) -> None:
    """What an objective raises may hold what no database takes: it is spelled out, and shown."""

    def objective(trial: optuna.Trial) -> float:
        if trial.number == 1:
            raise ValueError(text)
        return 1.0

    keys: dict[str, Any] = {"storage": any_url, "study": "s", "inline": True}
    study = tuner.launch(objective, trials=3, **keys)
    check_history(any_url, "s", n_trials=3)
    ((number, reason, _),) = study.failures()
    assert (number, reason) == (1, "error")
    assert study.counts["COMPLETE"] == 2


def register(url: str, **texts: str) -> None:
    """Somebody writes descriptions of files into the study, as the dashboard does."""
    storage = open_storage(url)
    study_id = storage.get_study_id_from_name("s")
    for key, text in texts.items():
        storage.set_study_system_attr(study_id, f"dashboard:artifacts:1:{key}", text)
    storage.close()


def samples_of(url: str, folder: Path) -> list[Any]:
    """The samples that a report of the study would show."""
    storage = open_storage(url)
    found = stored_samples(storage, storage.get_study_id_from_name("s"), folder)
    storage.close()
    return found


GOOD = {"trial": 1, "why": "best", "kind": "points", "epochs": [1], "frames": [[[0.0, 1.0]]],
        "real": [[0.0, 1.0]]}  # fmt: skip


def test_files_that_others_describe_are_believed_only_if_sound(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No JSON, no object, no name, a path, a link, or no samples: passed over; reports are made."""
    study = launch(url)
    folder = tmp_path / "store"
    folder.mkdir()
    for name, plain in {"good": GOOD, "odd": GOOD | {"kind": "script"}, "list": [1]}.items():
        (folder / name).write_text(json.dumps(plain), encoding="utf-8")
    (tmp_path / "secret").write_text(json.dumps(GOOD | {"why": "secret"}), encoding="utf-8")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "text").write_text("no JSON", encoding="utf-8")

    def said(artifact_id: Any) -> str:
        return json.dumps({"artifact_id": artifact_id, "filename": "samples.json"})

    ids = ["good", "odd", "list", "link", "text", "../secret", str(tmp_path / "secret"), "..", ""]
    texts = {f"id{n}": said(artifact_id) for n, artifact_id in enumerate(ids)}
    poor = ["no JSON", "null", "[]", "7", '"text"', "{}", '{"filename": 3, "artifact_id": 4}']
    texts |= {f"poor{n}": text for n, text in enumerate(poor)}
    register(url, **texts)
    assert [samples.why for samples in samples_of(url, folder)] == ["best"]
    assert "does not hold samples" in caplog.text
    assert study.report(tmp_path / "r.html").is_file()


@pytest.mark.parametrize(
    "artifact_id", ["../secret", "..", "", ".", "a/../../secret", "link", "sub"]
)
def test_the_store_of_the_dashboard_refuses_paths_and_links(
    tmp_path: Path, artifact_id: str
) -> None:
    """Only plain files of the folder are read, written and removed."""
    folder = tmp_path / "store"
    (folder / "sub").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_bytes(b"mine")
    (folder / "link").symlink_to(secret)
    store = PlainFiles(folder)
    for use in (
        lambda: store.open_reader(artifact_id),
        lambda: store.write(artifact_id, io.BytesIO(b"x")),
        lambda: store.remove(artifact_id),
        lambda: store.open_reader(str(secret)),
    ):
        with pytest.raises(ArtifactNotFound, match="plain file"):
            use()
    assert secret.read_bytes() == b"mine"
    store.write("plain", io.BytesIO(b"x"))
    with store.open_reader("plain") as file:
        assert file.read() == b"x"
    store.remove("plain")
    assert not (folder / "plain").exists()


@pytest.fixture
def ask(url: str) -> Iterator[Callable[..., tuple[str, dict[str, str], bytes]]]:
    """Asks the dashboard of a study with an uploaded page for a path, as a browser does."""
    from tuner.cli.dashboard import served

    launch(url)
    folder = Path(url.removeprefix("sqlite:///")).with_name("studies-artifacts")
    (folder / "abc").write_bytes(b"<script>alert(1)</script>")
    (folder / "def").symlink_to(url.removeprefix("sqlite:///"))
    for name in ("abc", "def"):
        meta = {"artifact_id": name, "filename": "x.html", "mimetype": "text/html"}
        register(url, **{name: json.dumps(meta)})
    with service.dashboard(url, None, writes_notes=False) as application:
        guarded = served(application)

        def get(path: str, **environ: str) -> tuple[str, dict[str, str], bytes]:
            told: list[Any] = []
            request: dict[str, Any] = {"PATH_INFO": path, "HTTP_HOST": "localhost:8080"} | environ
            request["wsgi.errors"] = io.StringIO()
            setup_testing_defaults(request)
            answer: Any = guarded(request, lambda *words: told.append(words) or print)
            body = b"".join(answer)
            if hasattr(answer, "close"):
                answer.close()
            return told[-1][0], dict(told[-1][1]), body

        yield get


def test_an_uploaded_page_is_an_attachment(
    ask: Callable[..., tuple[str, dict[str, str], bytes]],
) -> None:
    """A browser saves it; it is no page of the dashboard, and no other page may read it."""
    status, headers, body = ask("/artifacts/1/1/abc")
    assert (status, body) == ("200 OK", b"<script>alert(1)</script>")
    assert headers["Content-Disposition"] == "attachment"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert "Access-Control-Allow-Origin" not in headers
    status, _, body = ask("/artifacts/1/1/def")
    assert not status.startswith("200")
    assert b"SQLite" not in body


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8080", "200 OK"),
        ("http://localhost:9999", "403 Forbidden"),
        ("https://evil.example", "403 Forbidden"),
        ("null", "403 Forbidden"),
    ],
)
def test_pages_of_others_cannot_use_the_dashboard(
    ask: Callable[..., tuple[str, dict[str, str], bytes]], origin: str, status: str
) -> None:
    """A request that a browser sends for another page is refused."""
    assert ask("/api/studies", HTTP_ORIGIN=origin)[0] == status


@pytest.mark.parametrize("part", ["", "checkpoints", "weights"])
def test_a_study_does_not_write_through_links(
    url: str, undisturbed: list[Any], tmp_path: Path, part: str
) -> None:
    """A folder of the study that leads elsewhere is refused, and nothing there is removed."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "1-1.safetensors").write_bytes(b"mine")
    folder = tmp_path / "studies-artifacts" / "study-1"
    (folder / part).parent.mkdir(parents=True, exist_ok=True)
    (folder / part).symlink_to(victim)
    with pytest.raises(InputError, match="got a link to"):
        launch(url)
    assert (victim / "1-1.safetensors").read_bytes() == b"mine"
    assert len(list(victim.iterdir())) == 1
    (folder / part).unlink()
    launch(url)
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == undisturbed


def test_a_report_replaces_a_link_and_not_what_it_leads_to(url: str, tmp_path: Path) -> None:
    """Somebody who puts a link where the report goes does not get another file overwritten."""
    study = launch(url)
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    for out in (study.artifacts / "report.html", tmp_path / "out.html"):
        out.symlink_to(victim)
        where = [] if out.parent == study.artifacts else ["--out", str(out)]
        assert main(["report", "s", "--storage", url, *where]) == 0
        assert out.is_file()
        assert not out.is_symlink()
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["../up", "/tmp/up"])
def test_files_of_a_study_are_named_by_its_number(url: str, tmp_path: Path, name: str) -> None:
    """A study that is called like a path leaves its files where those of any other are."""
    study = launch(url, study=name)
    assert study.artifacts == tmp_path / "studies-artifacts" / "study-1"
    assert main(["report", "--storage", url, "--", name]) == 0
    left = {path.name for path in tmp_path.iterdir()} - {"studies.db-wal", "studies.db-shm"}
    assert left == {"studies.db", "studies-artifacts"}
    check_history(url, name, n_trials=N_TRIALS)
