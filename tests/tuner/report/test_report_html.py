"""The file: what stands in it, what cannot act in it, how it gets onto the disk."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import report_samples

from tuner.errors import InputError
from tuner.report import StudyRecord, TrialRecord, tables, text, theme, write_report
from tuner.report.html import document
from tuner.report.side_by_side import best_parameters

LOSS = (("loss", "minimize", ""),)


class Page(HTMLParser):
    """Tags with their attributes, visible text, and the content of each script."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self._in_script = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the tag."""
        self.tags.append((tag, dict(attrs)))
        self._in_script = tag in ("script", "style")
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        """Leaves a script."""
        self._in_script = False

    def handle_data(self, data: str) -> None:
        """Notes the text."""
        if not self._in_script:
            self.words.append(data)
        elif self.tags[-1][0] == "script":
            self.scripts[-1] += data

    @property
    def text(self) -> str:
        """All that a reader sees."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(mlp: StudyRecord) -> Page:
    """The page of the 200-trial study."""
    return Page(document([mlp]))


def figures_of(page: Page) -> dict[str, Any]:
    """The embedded figures by the id of their element."""
    return json.loads(page.scripts[0])["figures"]


def test_the_first_screen_tells_the_result(page: Page, mlp: StudyRecord) -> None:
    """Name, state, best value and parameters, test figure, counts, budget and reasons are there."""
    best = mlp.best_trial
    assert best is not None
    for words in (
        "digits-mlp finished",
        f"#{best.number}",
        "Best trial",
        "validation_loss 0.05177",
        "accuracy test 0.9778",
        "learning_rate 0.002399",
        "Trials 200 of 200",
        "complete 7 pruned 185 failed 8",
        "non-finite 5",
        "pruned at epoch 4",
        "duration 3.4 s",
    ):
        assert words in page.text
    assert page.text.index("Best trial") < page.text.index("Every trial's value")


def test_numbers_carry_their_full_value(page: Page, mlp: StudyRecord) -> None:
    """The shortened best value names all its digits when pointed at."""
    assert mlp.best_trial is not None
    assert mlp.best_trial.values is not None
    titles = [attributes.get("title") for tag, attributes in page.tags if tag == "span"]
    assert repr(mlp.best_trial.values[0]) in titles


def test_every_figure_has_its_place(page: Page) -> None:
    """Each embedded figure has an element of its id, and ids are unique."""
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(figures_of(page)) <= set(ids)
    kinds = {key.removeprefix("s0-").split("-")[0] for key in figures_of(page)}
    wanted = {"history", "curves", "importance", "space", "contours", "ranks", "distribution"}
    assert wanted | {"timeline", "parallel", "slice", "metric"} == kinds


def test_nothing_is_fetched(page: Page) -> None:
    """No attribute, rule or policy lets the page reach out; Plotly's library is there once."""
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "form", "base", "img")
        assert not {"src", "srcset", "action", "data", "background"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    source = document([])  # the frame of the page alone
    style = source[source.index("<style>") : source.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert sum("plotly.js v" in script[:200] for script in page.scripts) == 1


def test_the_policy_names_every_script_by_its_hash(page: Page) -> None:
    """Only the page's own two scripts may run, and nothing may be loaded."""
    (policy,) = (
        attributes["content"]
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy
    assert "http" not in policy
    for script in page.scripts[1:]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert len(page.scripts) == 3


def test_no_button_uploads_data(page: Page) -> None:
    """Plotly's cloud button, on by default, is off, as are its logo and server."""
    ours = page.scripts[2]
    for setting in ("showSendToCloud: false", "displaylogo: false", 'plotlyServerURL: ""'):
        assert setting in ours


def test_hostile_text_is_inert(hostile: StudyRecord) -> None:
    """Names, choices, notes and errors neither open a tag nor end the embedded data."""
    source = document([hostile])
    page = Page(source)
    assert len(page.scripts) == 3
    allowed = {"script", "style", "meta", "title"}
    assert not {tag for tag, _ in page.tags} & {"img", "b2", "iframe", "svg"}
    assert all(not name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "javascript:" not in " ".join(attrs.get("href") or "" for _, attrs in page.tags)
    assert not {"\x00", "\x1b", "\u202e"} & set(source)
    assert report_samples.HOSTILE[0] in " ".join(page.words)
    assert allowed <= {tag for tag, _ in page.tags}
    data = source[source.index('id="figures">') :].removeprefix('id="figures">')
    data = data[: data.index("</script>")]
    assert not set("<>&") & set(data)
    json.loads(data)


def test_hostile_text_is_inert_in_plotlys_labels(hostile: StudyRecord) -> None:
    """Plotly reads tags in text: the only ones in any label are the report's own."""
    found: set[str] = set()

    def collect(node: Any) -> None:
        if isinstance(node, str):
            found.update(re.findall(r"<[^>]*>", node))
        elif isinstance(node, dict | list):
            for item in node.values() if isinstance(node, dict) else node:
                collect(item)

    collect(figures_of(Page(document([hostile]))))
    assert found <= {"<b>", "</b>", "<br>", "<extra>", "</extra>"}
    assert found


def test_user_text_never_enters_a_template(hostile: StudyRecord) -> None:
    """`%{...}` of a name would be filled in by Plotly; templates hold only the report's words."""
    source = json.dumps(figures_of(Page(document([hostile]))))
    for template in re.findall(r'"hovertemplate": "((?:[^"\\]|\\.)*)"', source):
        assert "alert" not in template
        assert "click" not in template


def test_figures_carry_light_colours_that_have_a_dark_twin(page: Page) -> None:
    """Every colour in a figure is one that the page can swap, or is transparent."""
    twins = theme.dark_of_light()
    colours: set[str] = set()

    def collect(node: Any, is_colour: bool) -> None:
        if isinstance(node, dict):
            for key, item in node.items():
                collect(item, is_colour or "color" in key)
        elif isinstance(node, list):
            for item in node:
                collect(item, is_colour)
        elif isinstance(node, str) and is_colour:
            colours.add(node)

    collect(figures_of(page), False)
    binary = {colour for colour in colours if not colour.startswith(("#", "rgb"))}
    assert colours - binary - {"rgba(0,0,0,0)"} <= set(twins)


def test_ten_thousand_trials_stay_small(large: StudyRecord, tmp_path: Path) -> None:
    """The file stays under 15 MB, and every thinning is stated."""
    path = write_report([large], tmp_path / "large.html")
    assert path.stat().st_size < 15e6
    text = Page(path.read_text("utf-8")).text
    assert "1,000 of 10,000 trials are listed: the 500 best" in text
    assert "of 10,000 trials are drawn, spread evenly" in text
    assert re.search(r"200 of 9,\d+ curves are drawn", text)
    assert re.search(r"300 of 9,\d+ trials are drawn: the 150 best", text)
    assert re.search(r"The latest 50 of \d+ failed trials are listed", text)


@pytest.mark.parametrize("word", ["mlp", "gan", "hostile"])
def test_one_row_per_trial(word: str, request: pytest.FixtureRequest) -> None:
    """The table lists every trial of a small study, the best one marked."""
    study: StudyRecord = request.getfixturevalue(word)
    page = Page(document([study]))
    rows = [attrs for tag, attrs in page.tags if tag == "tr" and "-t" in (attrs.get("id") or "")]
    assert [row["id"] for row in rows] == [f"s0-t{trial.number}" for trial in study.trials]
    if study.best is not None:
        assert [row["id"] for row in rows if row.get("class") == "top"] == [f"s0-t{study.best}"]


def test_a_study_without_trials() -> None:
    """Every figure's place says in one sentence why it is empty."""
    page = Page(document([StudyRecord("nothing", LOSS)]))
    assert page.text.count("The study has no trials yet.") >= 9
    assert "No parameter of this study varies." not in page.text
    assert figures_of(page) == {}


def test_a_study_of_failures_only() -> None:
    """Failures are told with reason and error; figures that need values say so."""
    trials = tuple(
        TrialRecord(n, "FAIL", None, {"x": n}, reason="error: bad <shape>", error="Oh\n<boom>")
        for n in range(3)
    )
    page = Page(document([StudyRecord("failed", LOSS, trials, budget=3)]))
    assert "None of 3 trials has a value yet." in page.text
    assert "ticks the trials; none of them has a value." in page.text
    assert "error: bad <shape>" in page.text
    assert "<boom>" in page.text
    assert "No trial is complete yet." in page.text
    assert "details" in {tag for tag, _ in page.tags}


def test_without_a_complete_trial_the_way_there_is_told() -> None:
    """The best value on the way has its trial and its step; nothing runs where none is at work."""
    trials = (
        TrialRecord(0, "PRUNED", None, {"x": 1}, {1: 0.9, 2: 0.4}),
        TrialRecord(1, "RUNNING", None, {"x": 2}, {1: 0.8, 7: 0.25, 8: float("nan")}),
    )
    page = Page(document([StudyRecord("early", LOSS, trials, state="interrupted")]))
    assert "The best loss on the way was 0.25, of trial 1 at step 7." in page.text
    assert "interrupted 1 " in page.text
    assert "running" not in page.text


def test_a_study_of_one_trial() -> None:
    """One trial draws its history, and importance says that it needs more."""
    trials = (TrialRecord(0, "COMPLETE", (0.25,), {"x": 1}),)
    page = Page(document([StudyRecord("one", LOSS, trials, best=0)]))
    assert "s0-history-0-plot" in figures_of(page)
    assert "Importance needs 10 trials with a value; there is 1." in page.text
    assert "No parameter of this study varies." in page.text


def test_several_studies_are_compared(mlp: StudyRecord, gan: StudyRecord) -> None:
    """A table and two figures come first, then every study; Plotly is there once."""
    other = replace(mlp, name="digits-mlp-again")
    page = Page(document([mlp, other, gan]))
    assert "3 studies compared" in page.text
    assert {"by-trial-plot", "by-time-plot", "s0-history-0-plot", "s2-pareto-plot"} <= set(
        figures_of(page)
    )
    assert "Left out for other objectives: 1 of 3." in page.text
    assert sum("plotly.js v" in script[:200] for script in page.scripts) == 1


def test_parameters_of_compared_studies_stand_side_by_side(mlp: StudyRecord) -> None:
    """A row a parameter, the value of each best trial; a dash where it has none; all inert."""
    hostile = (TrialRecord(0, "COMPLETE", (0.25,), {"<b>": "<script>alert(1)</script>"}),)
    odd = StudyRecord("<i>odd</i>", LOSS, hostile, best=0)
    none = StudyRecord("none", LOSS)
    table = best_parameters([mlp, odd, none])
    assert mlp.best_trial is not None
    assert table.count("<tr>") == 1 + len({*mlp.best_trial.params, "<b>"})
    for item in mlp.best_trial.params.values():
        assert f'<td class="n">{tables.value(item)}</td>' in table
    assert "<script>" not in table
    assert "<i>" not in table
    cells = f'<td class="n">{text.DASH}</td><td class="n"><bdi>&lt;script'
    assert f"<bdi>&lt;b&gt;</bdi></td>{cells}" in table
    assert best_parameters([none]) == ""
    assert "Parameters of the best trials" in Page(document([mlp, odd])).text


def test_the_same_study_gives_the_same_file(mlp: StudyRecord) -> None:
    """Nothing of the moment enters the page."""
    assert document([mlp]) == document([mlp])


def test_an_unwritable_place_is_an_input_error(mlp: StudyRecord, tmp_path: Path) -> None:
    """A missing folder, a folder as a file, and a NUL are one line that names the path."""
    study = replace(mlp, trials=())
    for path in (tmp_path / "no" / "r.html", tmp_path, tmp_path / "a\x00b.html"):
        with pytest.raises(
            InputError, match=r"^report '.*': must be a writable file, got: "
        ) as info:
            write_report([study], path)
        assert len(info.value.problems) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_report(
    mlp: StudyRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full the file that was there stays, and no other is left behind."""
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_report([replace(mlp, trials=())], path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "old"


def test_a_report_needs_a_study(tmp_path: Path) -> None:
    """An empty list is a mistake of the caller, told in one line."""
    with pytest.raises(InputError, match="at least one study"):
        write_report([], tmp_path / "r.html")


def test_lone_surrogates_can_be_written(tmp_path: Path) -> None:
    """A name that is no valid Unicode is written as its escape."""
    path = write_report([StudyRecord("a\ud800b", LOSS)], tmp_path / "r.html")
    assert "a\\ud800b" in path.read_text("utf-8")
