"""The ``bootcamp`` command as a reader types it."""

from __future__ import annotations

import os
import subprocess
import sys
import types

import pytest

from bucket import fakes
from maelstrom_bootcamp import bucket, cli
from maelstrom_bootcamp.bucket import recipes
from maelstrom_bootcamp.cli import main, parse_request
from maelstrom_bootcamp.errors import BootcampError

SHARED = os.environ["MAELSTROM_BUCKET"]  # the bucket of all tests


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MAELSTROM_BUCKET", str(tmp_path / "buckets"))
    monkeypatch.setenv("MAELSTROM_SIZE", "ci")
    monkeypatch.setitem(recipes.RECIPES, "maelstrom-yr", "bucket.fakes:TINY_YR")
    return tmp_path / "buckets"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=5GB", "5GB"),
        ("a=2020-03-10", "2020-03-10"),
        ("a=2020-03-10,2020-03-11", ["2020-03-10", "2020-03-11"]),
        ("a=0,2,4", [0, 2, 4]),
        ("a=2020-03-10,", ["2020-03-10"]),
        ("a=3", 3),
        ("a=-2", -2),
        ("a=0.5", 0.5),
        ("a=0101", "0101"),
        ("a=20180101", "20180101"),
        ("a=2019013100", 2019013100),
        ("a='10'", "10"),
        ("a=true", True),
        ("a=False", False),
        ("a=None", None),
        ("a=", ""),
        ("a=x=y", "x=y"),
        ("a=[1]", "[1]"),
    ],
)
def test_values(word, value):
    parsed = parse_request([word])["a"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("word", ["dates", "=3", "a b=3"])
def test_word_that_is_no_assignment(word):
    with pytest.raises(BootcampError, match="not of the form key=value"):
        parse_request([word])


def test_open_prints_call_terms_and_content(capsys):
    assert main(["data", "open", "maelstrom-yr", "size=5GB", "dates=2020-03-01,2020-03-02"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "climetlab.load_dataset(\"maelstrom-yr\", size='5GB', dates=['2020-03-01', '2020-03-02'])\n"
    )
    assert "terms: https://github.com/metno/maelstrom_yr/LICENSE" in out
    assert "cite:     Nipen" in out
    assert "predictors  (time, leadtime, y, x, predictor)" in out


@pytest.mark.filterwarnings("ignore::maelstrom_bootcamp.bucket.PlaceholderWarning")
def test_open_without_request_takes_one_that_works(capsys):
    assert main(["data", "open", "maelstrom-power-production"]) == 0
    assert (
        'climetlab.load_dataset("maelstrom-power-production", wind_turbine_id=1)' in capsys.readouterr().out
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::maelstrom_bootcamp.bucket.PlaceholderWarning")
def test_open_of_records_prints_their_shapes(capsys, monkeypatch):
    monkeypatch.setenv("MAELSTROM_BUCKET", SHARED)  # its sample takes half a minute to make
    assert main(["data", "open", "maelstrom-radiation-tf"]) == 0
    assert "col_inputs     float32 (None, 137, 27)" in capsys.readouterr().out


def test_list_shows_what_is_made(capsys):
    main(["data", "make", "maelstrom-power-production"])
    capsys.readouterr()
    assert main(["data", "list"]) == 0
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if line.startswith("A")}
    assert len(lines) == 13
    assert "no plugin" in lines["maelstrom-a2"]
    assert "not made" in lines["maelstrom-yr"]
    assert "MB, placeholder" in lines["maelstrom-power-production"]


def test_make_verify_clean(root, capsys):
    assert main(["data", "make", "maelstrom-yr", "--size", "full"]) == 0
    assert main(["data", "make", "maelstrom-yr", "--size", "full"]) == 0
    assert main(["data", "verify", "maelstrom-yr", "--size", "full"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "maelstrom-yr (full): 3 jobs done",
        "maelstrom-yr (full): nothing to do",
        "maelstrom-yr (full): as recorded",
    ]
    path = root / "full" / fakes.TINY_YR.path(fakes.DATES[0])
    assert path.exists()
    assert main(["data", "clean", "maelstrom-yr", "--size", "full"]) == 0
    assert not path.exists()
    assert "MB removed" in capsys.readouterr().out


def test_verify_finds_an_altered_byte(root, capsys):
    main(["data", "make", "maelstrom-yr"])
    name = fakes.TINY_YR.path(fakes.DATES[1])
    path = root / "ci" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    capsys.readouterr()
    assert main(["data", "verify", "maelstrom-yr", "--check-only"]) == 1
    assert capsys.readouterr().out == f"altered       {name}\nmaelstrom-yr (ci): damaged\n"
    assert main(["data", "verify"]) == 0  # all that was ever made; makes damaged ones again
    assert "maelstrom-yr (ci): made again" in capsys.readouterr().out
    assert not bucket.samples("maelstrom-yr").verify(deep=True)


def test_clean_all_removes_the_cache(root):
    (root / "climetlab-cache").mkdir(parents=True)
    (root / "climetlab-cache" / "file").write_bytes(b"x")
    assert main(["data", "clean"]) == 0
    assert not (root / "climetlab-cache").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["data", "open", "maelstrom-yrr"], "Did you mean maelstrom-yr"),
        (["data", "make", "nothing"], "There is no dataset 'nothing'"),
        (["data", "open", "maelstrom-a2"], "no CliMetLab plugin"),
        (["data", "open", "maelstrom-yr", "size"], "not of the form"),
        (
            ["data", "open", "maelstrom-yr", "size=5GB", "dates=2020-04-04,"],
            "bootcamp data make maelstrom-yr",
        ),
    ],
)
def test_failure_is_a_message_and_exit_code_2(capsys, words, said):
    assert main(words) == 2
    streams = capsys.readouterr()
    assert said in streams.err
    assert "Traceback" not in streams.err
    assert "What to do:" in streams.err
    assert streams.out == ""


def test_wrong_settings_are_a_message(capsys, monkeypatch):
    monkeypatch.setenv("MAELSTROM_SIZE", "huge")
    assert main(["data", "list"]) == 2
    assert "MAELSTROM_SIZE='huge'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["data"], ["data", "paint"]])
def test_wrong_usage_is_explained(words):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


def test_other_modules_add_their_commands(monkeypatch):
    module = types.ModuleType("tests_extension")

    def add_parser(subparsers):
        parser = subparsers.add_parser("greet")
        parser.set_defaults(run=lambda _: 7)

    module.add_parser = add_parser
    module.__spec__ = types.SimpleNamespace(name="bucket.tests_extension")
    monkeypatch.setitem(sys.modules, "bucket.tests_extension", module)
    monkeypatch.setattr(cli, "_EXTENSIONS", ("bucket.tests_extension", "bucket.absent", "absent.module"))
    assert main(["greet"]) == 7


def test_installed_command():
    done = subprocess.run(
        [sys.executable, "-m", "maelstrom_bootcamp.cli", "--help"], capture_output=True, text=True, check=True
    )
    assert "data" in done.stdout
    assert "student" in done.stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_pipe_is_no_failure(monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    code = "import sys; from maelstrom_bootcamp.cli import main; sys.exit(main(['data', 'list']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait() == 0, errors
    assert errors == b""
