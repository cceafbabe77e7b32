"""A spec from a file, options and mappings: every mistake at once, each with its place."""

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import InputError
from tuner.spec import (
    CHANGEABLE,
    DataSpec,
    Spec,
    difference,
    read_spec,
    spec_from_mapping,
    with_lines,
)

names = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1).filter(
    str.strip
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.text()
mappings = st.fixed_dictionaries(
    {},
    optional={
        "study": names,
        "trainer": st.sampled_from(["mlp", "gan"]),
        "data": st.sampled_from(
            ["digits", {"file": "t.csv", "seed": 3, "drop": ["id", "2"]}, "idx:d", "a/b.npz"]
        ),
        "target": names,
        "epochs": st.integers(1, 10**6),
        "trials": st.integers(1, 10**6),
        "time_limit_s": st.none() | st.floats(1e-3, 1e9),
        "target_value": st.floats(-1e9, 1e9),
        "space": st.dictionaries(names, scalars | st.dictionaries(names, scalars)),
        "objectives": st.lists(names.filter(lambda n: "," not in n), unique_by=str.strip),
        "value": st.sampled_from(["last", "best", None]),
        "seed": st.integers(0, 2**63 - 1),
        "sampler": st.sampled_from(["tpe", {"name": "gp", "seed": 4, "n_startup_trials": 5}]),
        "pruner": st.sampled_from(["none", {"name": "asha", "reduction_factor": 3}, None]),
        "lanes": st.just("auto") | st.integers(1, 99),
        "gpus_per_lane": st.sampled_from(["auto", 0, 0.25, 1, 2]),
        "cpus_per_lane": st.floats(0.1, 8),
    },
)


def problems_of(mapping):
    """The lines that refuse `mapping`."""
    with pytest.raises(InputError) as caught:
        spec_from_mapping(mapping)
    return list(caught.value.problems)


@settings(max_examples=50, deadline=None)
@given(mappings)
def test_the_plain_form_goes_through_json_and_back(mapping):
    """A stored spec is the spec again."""
    spec = spec_from_mapping(mapping)
    assert spec_from_mapping(json.loads(json.dumps(spec.to_plain()))) == spec
    assert difference(spec.to_plain(), spec.to_plain()) == []


def test_an_empty_spec_has_the_documented_defaults():
    """Keys that are not given have the defaults of the documentation."""
    spec = spec_from_mapping({})
    assert (spec.trials, spec.seed, spec.task, spec.lanes) == (100, 0, "auto", "auto")
    assert (spec.sampler.name, spec.pruner, spec.storage) == ("tpe", None, "sqlite:///tuner.db")
    assert (spec.max_retries, spec.checkpoint_every_s, spec.lease_s) == (2, 30.0, 30.0)


def test_a_spec_cannot_be_changed():
    """Specs are values."""
    with pytest.raises(ValueError, match="frozen"):
        spec_from_mapping({}).trials = 3


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        ({"trials": 0}, "trials: must be at least 1, got 0"),
        ({"trials": True}, "trials: must be a whole number, got true"),
        ({"trials": None}, "trials: must be a whole number, got null"),
        ({"epochs": "5"}, "epochs: must be a whole number, got '5'"),
        ({"time_limit_s": 0}, "time_limit_s: must be greater than 0, got 0"),
        ({"target_value": math.inf}, "target_value: must be finite, got inf"),
        (
            {"task": "cluster"},
            "task: must be auto or classification or regression or density, got 'cluster'",
        ),
        ({"lanes": "many"}, "lanes: must be auto or a whole number, got 'many'"),
        ({"slots": 0}, "slots: must be at least 1, got 0"),
        ({"seed": 2**63}, f"seed: must be below {2**63}, got {2**63}"),
        ({"study": ""}, "study: must have 1 to 512 characters, got ''; it has 0"),
        (
            {"study": "a\0b"},
            "study: must not hold control characters or line breaks, got 'a\\x00b'",
        ),
        ({"storage": 3}, "storage: must be text, got 3; put it in quotes"),
        ({"sampler": {"seed": 1}}, "sampler.name: must be given"),
        ({"pruner": 3}, "pruner: must be a name, or a name with options, got 3"),
        ({"data": {"file": "t.csv", "seed": -1}}, "data.seed: must be at least 0, got -1"),
        (
            {"data": {"name": "a", "drop": ["b"]}},
            "data: must have a file, whose columns drop names, got {name: a, drop: [b]}",
        ),
        (
            {"data": {"file": "t.csv", "drop": ["a", "a"]}},
            "data.drop: must not name one twice, got [a, a]",
        ),
        ({"data": {"file": "t.csv", "drop": "a"}}, "data.drop: must be a list of columns, got 'a'"),
        (
            {"data": {"file": "t.csv", "drop": [3]}},
            "data.drop: must hold names, got [3]; put those that look like numbers in quotes",
        ),
        (
            {"data": {"name": "a", "idx": "b"}},
            "data: must have exactly one of name, file, idx, got {name: a, idx: b}",
        ),
        ({"objectives": ["a", "a"]}, "objectives: must not name one twice, got [a, a]"),
        (
            {"objectives": [{"name": "a", "direction": "up"}]},
            "objectives[0].direction: must be minimize or maximize, got 'up'",
        ),
        (
            {"gpus_per_lane": 1.5},
            "gpus_per_lane: must be auto, a fraction below 1 or a whole number, got 1.5",
        ),
        (
            {"space": {"x": {"choices": [math.nan]}}},
            "space: must hold finite numbers, got {x: {choices: [nan]}}",
        ),
        (
            {"objectives": [{"name": "a", "directon": "minimize"}]},
            "objectives[0].directon: unknown key 'directon'; "
            "did you mean 'direction'? (direction, name)",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_path(mapping, line):
    """Each refused value is named by path, rule and value."""
    assert problems_of(mapping) == [line]


def test_all_mistakes_are_named_at_once():
    """Three mistakes give three lines."""
    assert len(problems_of({"trials": 0, "lease_s": -1, "value": "worst"})) == 3


def test_an_unknown_key_names_the_nearest():
    """A mistyped key gets the word that was meant and the list of all."""
    (line,) = problems_of({"trails": 5})
    assert line.startswith("trails: unknown key 'trails'; did you mean 'trials'? (artifacts, ")


@pytest.mark.parametrize("name", ["x" * 512, "🙂", "שלום", 'it\'s "so" 100%', "../x", "</script>"])
def test_odd_names_are_legal(name):
    """Any printable name of 1 to 512 characters is stored as it is."""
    assert spec_from_mapping({"study": name}).study == name


def test_a_name_of_513_characters_is_refused_with_the_limit():
    """The limit is stated."""
    assert "1 to 512 characters" in problems_of({"study": "x" * 513})[0]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("digits", {"name": "digits"}),
        ("table.csv", {"file": "table.csv"}),
        ("folder/table", {"file": "folder/table"}),
        ("idx:data/mnist", {"idx": "data/mnist"}),
    ],
)
def test_data_may_be_given_in_one_word(text, source):
    """A name, a file and a directory of IDX files are told apart."""
    assert spec_from_mapping({"data": text}).data.source == source


def test_the_target_may_stand_with_the_data():
    """`data.target` and `target` are the same key, and must not differ."""
    inner = spec_from_mapping({"data": {"file": "t.csv", "target": "y"}})
    assert inner == spec_from_mapping({"data": "t.csv", "target": "y"})
    assert problems_of({"data": {"file": "t.csv", "target": "y"}, "target": "z"}) == [
        "target: must be the same as data.target 'y', got 'z'"
    ]


def test_the_storage_is_never_stored():
    """The plain form has no URL, which may hold a password."""
    spec = spec_from_mapping({"storage": "postgresql://me:secret@db/tuner"})
    assert "secret" not in json.dumps(spec.to_plain())


def test_one_seed_derives_all_and_each_may_be_given():
    """Sampler and split seeds follow from the seed unless they are given."""
    plain = spec_from_mapping({"seed": 3, "data": "digits"})
    own = spec_from_mapping(
        {"seed": 3, "data": {"name": "digits", "seed": 8}, "sampler": {"name": "tpe", "seed": 9}}
    )
    assert plain.sampler_seed != plain.split_seed
    assert (own.sampler_seed, own.split_seed) == (9, 8)
    assert spec_from_mapping({"seed": 4}).sampler_seed != plain.sampler_seed


def test_a_difference_names_path_and_both_values():
    """Only what a study cannot change is compared, by its path."""
    old = {"space": {"lr": {"type": "float", "high": 0.1}}, "seed": 0, "trials": 5}
    new = {"space": {"lr": {"type": "float", "high": 1.0}, "l1": 0.5}, "seed": 0, "trials": 9}
    assert difference(old, new) == ["space.lr.high 0.1, now 1.0", "space.l1 not set, now 0.5"]


def test_a_difference_tells_true_from_one():
    """Equal in Python, yet another value of an axis."""
    assert difference({"space": {"x": 1}}, {"space": {"x": True}}) == ["space.x 1, now true"]


def test_changeable_keys_are_keys():
    """Every key that may change between launches is one of the spec's."""
    assert set(Spec.model_fields) >= CHANGEABLE


SPEC = """\
trainer: mlp
data:
  file: table.csv
trials: 0
space:
  units: {type: int, low: 8, high: 4}
objectives:
  - validation_loss
  - name: b
    direction: up
"""


@pytest.fixture
def spec_file(tmp_path):
    """A file with mistakes in lines 4 and 10."""
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


def refused(*args, **kwargs):
    """The lines with which `read_spec` refuses."""
    with pytest.raises(InputError) as caught:
        read_spec(*args, **kwargs)
    return list(caught.value.problems)


def test_mistakes_of_a_file_name_their_line(spec_file):
    """Line and path of every mistake."""
    assert refused(spec_file) == [
        f"{spec_file}:4: trials: must be at least 1, got 0",
        f"{spec_file}:10: objectives[1].direction: must be minimize or maximize, got 'up'",
    ]


def test_a_later_check_can_name_lines_too(spec_file):
    """Problems found beyond the file find their line by path; others stay as they are."""
    lines = with_lines(
        ["space.units: low must be below high", "space.units.low.x: odd", "epochs: odd", "odd"],
        spec_file,
    )
    assert lines == [
        f"{spec_file}:6: space.units: low must be below high",
        f"{spec_file}:6: space.units.low.x: odd",
        "epochs: odd",
        "odd",
    ]
    assert with_lines(["trials: odd"], spec_file, {"trials"}) == ["trials: odd"]
    assert with_lines(["trials: odd"], None) == ["trials: odd"]


def test_options_override_the_file_and_the_file_the_environment(tmp_path):
    """Option before file before TUNER_STORAGE before default."""
    path = tmp_path / "spec.yaml"
    path.write_text("trainer: mlp\ntrials: 5\nstorage: sqlite:///file.db\n")
    environment = {"TUNER_STORAGE": "sqlite:///environment.db"}
    assert read_spec(path, {"trials": 7, "seed": None}, environment=environment).trials == 7
    assert read_spec(path, environment=environment).storage == "sqlite:///file.db"
    assert read_spec(None, environment=environment).storage == "sqlite:///environment.db"
    assert read_spec(None, environment={}).storage == "sqlite:///tuner.db"
    option = {"storage": "sqlite:///option.db"}
    assert read_spec(path, option, environment=environment).storage == "sqlite:///option.db"


def test_text_of_an_option_is_read_as_yaml_where_the_key_holds_no_text():
    """`--lanes 4` is a number, `--study 007` a name."""
    spec = read_spec(None, {"lanes": "4", "study": "007", "objectives": "a,b", "sampler": "gp"})
    assert (spec.lanes, spec.study, spec.sampler.name) == (4, "007", "gp")
    assert [objective.name for objective in spec.objectives] == ["a", "b"]


def test_a_target_option_replaces_that_of_the_file(tmp_path):
    """`--target` overrides `data.target`."""
    path = tmp_path / "spec.yaml"
    path.write_text("data: {file: t.csv, target: y}\n")
    assert read_spec(path, {"target": "z"}).target == "z"


def test_sets_reach_anything_nested(tmp_path):
    """`--set` overrides options and file, and opens shorthands."""
    path = tmp_path / "spec.yaml"
    path.write_text("sampler: tpe\nspace: {lr: {type: float, low: 1e-4, high: 1}}\n")
    sets = ["sampler.n_startup_trials=3", "space.lr.high=2", "space.act=relu", "trials=9"]
    spec = read_spec(path, {"trials": 5}, sets)
    assert spec.sampler.options == {"n_startup_trials": 3}
    assert spec.space == {"lr": {"type": "float", "low": 1e-4, "high": 2}, "act": "relu"}
    assert spec.trials == 9
    dropped = read_spec(None, {"data": "t.csv"}, ["data.drop=[id, when]"]).data
    assert dropped == DataSpec(file="t.csv", drop=("id", "when"))


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ("trials", "--set: must be path=value, got 'trials'"),
        ("a..b=1", "--set: must be path=value, got 'a..b=1'"),
        ("objectives.x=1", "--set objectives.x: objectives must hold keys, got [a]"),
    ],
)
def test_a_wrong_set_is_refused(entry, line):
    """Each wrong entry is one line."""
    assert line in refused(None, {"objectives": ["a"]}, [entry])


@pytest.mark.parametrize("line", ["objective: os:system", "trainer: os:system"])
def test_import_strings_are_refused_in_files_and_taken_as_options(tmp_path, line):
    """Importing is executing: only the command line and Python may ask for it."""
    path = tmp_path / "spec.yaml"
    path.write_text(line)
    key = line.partition(":")[0]
    assert refused(path) == [
        f"{path}:1: {key}: must not be an import string in a file, since importing is executing; "
        "give it on the command line or from Python"
    ]
    assert getattr(read_spec(None, {key: "os:system"}), key) == "os:system"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("trials: [1", "spec.yaml:1:11: "),
        ("trials: 1\ntrials: 2", "spec.yaml:2:1: key 'trials' is given twice"),
        ("trials:\n\t- 1", "spec.yaml:2:1: indentation must be spaces, got a tab"),
        ("a: !!python/object:os.system x", "spec.yaml:1:4: tags are not read"),
        ("a: &a [1]\nb: *a", "aliases and anchors"),
        ("- 1", "spec.yaml: must hold keys with values, got [1]"),
    ],
)
def test_yaml_that_cannot_be_read_names_its_line(tmp_path, text, part):
    """Syntax, repeated keys, tabs, tags and aliases are refused, nothing else is said."""
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    (line,) = refused(path)
    assert part in line


def test_files_that_cannot_be_read_say_so(tmp_path):
    """A missing file, a folder and text that is not UTF-8."""
    (tmp_path / "latin.yaml").write_bytes(b"study: caf\xe9")
    missing = tmp_path / "no.yaml"
    assert refused(missing) == [f"{missing}: cannot be read (No such file or directory)"]
    assert "cannot be read" in refused(tmp_path)[0]
    assert "must be UTF-8 text" in refused(tmp_path / "latin.yaml")[0]


def test_an_empty_file_is_an_empty_spec(tmp_path):
    """No keys means all defaults."""
    path = tmp_path / "spec.yaml"
    path.write_text("# nothing yet\n")
    assert read_spec(path, environment={}) == spec_from_mapping({})


def test_reading_a_spec_needs_no_heavy_package():
    """Neither torch nor Optuna nor Ray is imported for it, nor for the tables of algorithms."""
    code = (
        "import sys, tuner.spec, tuner.algorithms;"
        "from tuner.algorithms.options import description;"
        "[description(e) for t in (tuner.algorithms.SAMPLERS, tuner.algorithms.PRUNERS)"
        " for e in t.values()]; tuner.spec.read_spec(None, {'lanes': '4'});"
        "print([m for m in ('torch', 'optuna', 'ray', 'pandas', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
