"""Making, checking, remaking and removing objects, in this process."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from bucket import fakes
from maelstrom_bootcamp import bucket
from maelstrom_bootcamp.bucket.store import Store
from maelstrom_bootcamp.bucket.worker import answer
from maelstrom_bootcamp.bucket.writing import Job, Writer
from maelstrom_bootcamp.errors import BootcampError

pytestmark = pytest.mark.usefixtures("watchdog")


@pytest.fixture
def tiny(fake, root):
    fake("TINY_IN_PROCESS")
    return bucket.samples("maelstrom-yr")


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file())


def leftovers(folder):
    return [p for p in files(folder) if p.name.startswith(".tmp")]


def made(store):
    """How often each object was written."""
    lines = (store.root / "made.log").read_text().split()
    return {line: lines.count(line) for line in lines}


def test_make_writes_what_is_planned_and_records_it(tiny):
    assert tiny.make() == 4
    entries = tiny.manifest.read()
    assert set(entries) == {name for job in tiny.jobs for name in job.objects}
    for name, entry in entries.items():
        assert (tiny.root / name).read_bytes() == fakes.CONTENT
        assert entry.bytes == 1000
        assert entry.recipe == "1"
        assert len(entry.sha256) == 64
    assert not tiny.verify(deep=True)
    assert not leftovers(tiny.root)


def test_second_make_does_nothing(tiny):
    tiny.make()
    assert tiny.make() == 0
    assert set(made(tiny).values()) == {1}


def test_sizes_and_seeds_have_buckets_of_their_own(fake, root, monkeypatch):
    fake("TINY_IN_PROCESS")
    assert bucket.samples("maelstrom-yr", size="full").root == root / "full"
    monkeypatch.setenv("MAELSTROM_SEED", "3")
    assert bucket.samples("maelstrom-yr").root == root / "ci-seed3"
    with pytest.raises(BootcampError, match="no sample of size 'huge'"):
        bucket.samples("maelstrom-yr", size="huge")


def damage(path, how):
    if how == "missing":
        path.unlink()
    elif how == "wrong length":
        os.truncate(path, 400)
    else:
        content = bytearray(path.read_bytes())
        content[700] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["missing", "wrong length", "altered"])
def test_damaged_object_is_found_and_made_again(tiny, how):
    tiny.make()
    name = tiny.jobs[2].objects[1]
    path = tiny.root / name
    damage(path, how)
    assert [(p.object, p.reason) for p in tiny.verify()] == [(name, how)]
    assert tiny.make() == 1
    assert path.read_bytes() == fakes.CONTENT
    assert {n for n, times in made(tiny).items() if times > 1} == set(tiny.jobs[2].objects)


def test_altered_byte_behind_an_old_time_of_change_needs_a_deep_look(tiny):
    tiny.make()
    path = tiny.root / tiny.jobs[0].objects[0]
    status = path.stat()
    damage(path, "altered")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not tiny.verify()
    problems = tiny.verify(deep=True)
    assert [p.reason for p in problems] == ["altered"]
    tiny.damage(problems)
    assert [p.reason for p in tiny.verify()] == ["unrecorded"]
    assert tiny.make() == 1
    assert path.read_bytes() == fakes.CONTENT


def test_another_recipe_version_is_made_again(tiny, monkeypatch):
    tiny.make()
    monkeypatch.setenv("FAKE_VERSION", "2")
    assert {p.reason for p in tiny.verify()} == {"older recipe"}
    assert tiny.make() == 4
    assert {e.recipe for e in tiny.manifest.read().values()} == {"2"}


def test_objects_that_a_newer_recipe_no_longer_makes_are_removed(tiny, monkeypatch):
    tiny.make()
    gone = tiny.jobs[-1].objects
    monkeypatch.setenv("FAKE_VERSION", "2")
    monkeypatch.setattr(tiny, "jobs", tiny.jobs[:-1])
    tiny.make()
    assert set(tiny.manifest.read()) == {name for job in tiny.jobs for name in job.objects}
    assert not [name for name in gone if (tiny.root / name).exists()]


def test_dataset_that_is_needed_is_made_first(fake):
    fake("TINY_IN_PROCESS")
    fake("DERIVED", "maelstrom-radiation")
    derived = bucket.samples("maelstrom-radiation")
    derived.make()
    assert (derived.root / derived.jobs[0].objects[0]).read_bytes() == fakes.CONTENT[::-1]
    assert not bucket.samples("maelstrom-yr").verify()
    assert derived.make() == 0


def test_copied_bucket_is_read_once_and_then_trusted(tiny, monkeypatch):
    tiny.make()
    for path in files(tiny.root / "url"):
        os.utime(path)
    assert tiny.make() == 0  # new times, right content: nothing is made, the times are recorded
    looks = []
    monkeypatch.setattr("maelstrom_bootcamp.bucket.store.digest", looks.append)
    assert not tiny.verify()
    assert not looks


def test_incomplete_last_line_of_the_manifest_is_ignored(tiny):
    tiny.make()
    text = tiny.manifest.path.read_bytes()
    tiny.manifest.path.write_bytes(text[:-30])
    assert [p.reason for p in tiny.verify()] == ["unrecorded"]
    assert tiny.make() == 1
    assert not tiny.verify()


def test_clean_removes_only_what_was_made(tiny):
    tiny.make()
    own = tiny.root / "url" / "notes.txt"
    own.write_text("the reader's own file")
    assert tiny.clean() == 8 * 1000
    assert own.exists()
    assert not (tiny.root / "url" / "https").exists()
    assert len(tiny.verify()) == 8
    assert tiny.clean() == 0


def test_leftovers_of_a_killed_process_are_removed(tiny):
    folder = (tiny.root / tiny.jobs[0].objects[0]).parent
    folder.mkdir(parents=True)
    (folder / ".tmp+maelstrom-yr+999999+0a.nc").write_bytes(b"half")
    other = folder / ".tmp+maelstrom-radiation+999999+x.nc"  # datasets share folders
    other.write_bytes(b"half")
    tiny.make()
    assert leftovers(tiny.root) == [other]


def test_failing_recipe_names_job_and_keeps_what_is_done(tiny, monkeypatch):
    monkeypatch.setenv("FAKE_FAIL", "job2")
    with pytest.raises(BootcampError, match="job2: ValueError: a fault on purpose") as caught:
        tiny.make()
    assert "Traceback" in caught.value.__notes__[0]
    assert len(tiny.manifest.read()) == 4
    monkeypatch.delenv("FAKE_FAIL")
    assert tiny.make() == 2
    assert set(made(tiny).values()) == {1}


def test_recipe_that_writes_something_else_is_caught(fake, root):
    fake("UNFAITHFUL")
    with pytest.raises(BootcampError, match="other objects than planned"):
        bucket.samples("maelstrom-yr").make()


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b", ""])
def test_writer_stays_inside_the_bucket(tmp_path, path):
    writer = Writer(tmp_path, fakes.TINY, "ci", 0)
    with pytest.raises(ValueError, match="not a path inside"):
        writer.write(path, lambda tmp: tmp.write_bytes(b"x"))


def test_failed_write_leaves_the_old_object(tmp_path):
    writer = Writer(tmp_path, fakes.TINY, "ci", 0)
    writer.write("a.nc", lambda tmp: tmp.write_bytes(b"old"))

    def broken(tmp):
        tmp.write_bytes(b"ne")
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        writer.write("a.nc", broken)
    assert (tmp_path / "a.nc").read_bytes() == b"old"
    assert not leftovers(tmp_path)


# ---------------------------------------------------------------- disk full


def test_too_little_space_is_said_before_anything_is_written(tiny, monkeypatch):
    monkeypatch.setenv("FAKE_ESTIMATE", str(10**15))
    store = bucket.samples("maelstrom-yr")
    with pytest.raises(
        BootcampError, match=r"disk is full: .*\(4000000000000000 bytes\), .* bytes\) are free"
    ):
        store.make()
    assert not (store.root / "url").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full (Linux)")
@pytest.mark.parametrize("recipe", ["TINY_IN_PROCESS", "TINY"])
def test_full_device_leaves_nothing_half_written(fake, root, monkeypatch, recipe):
    fake(recipe)
    monkeypatch.setenv("FAKE_FULL", "job3")
    store = bucket.samples("maelstrom-yr")
    with pytest.raises(
        BootcampError, match=r"disk is full while writing .*3a\.nc.* bytes\) are free"
    ) as caught:
        store.make(progress=False)
    assert "MAELSTROM_BUCKET" in caught.value.cure
    assert not leftovers(store.root)
    assert not (store.root / store.jobs[3].objects[0]).exists()
    monkeypatch.delenv("FAKE_FULL")
    store.make(progress=False)
    assert not store.verify(deep=True)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_in_the_words_of_the_netcdf_library(fake, root, monkeypatch, small_disk):
    fake("LARGE")
    monkeypatch.setenv("MAELSTROM_BUCKET", str(small_disk))
    monkeypatch.setenv("FAKE_ESTIMATE", "0")
    store = bucket.samples("maelstrom-yr")
    with pytest.raises(BootcampError, match=r"disk is full while writing .*0a"):
        store.make()
    assert not leftovers(small_disk)
    assert not files(small_disk / "ci" / "url")


# ---------------------------------------------------------------- folders that cannot be written


def test_file_in_the_place_of_the_bucket(fake, root):
    fake("TINY_IN_PROCESS")
    root.write_text("not a folder")
    with pytest.raises(BootcampError, match="cannot be read or written: Not a directory") as caught:
        bucket.samples("maelstrom-yr").make()
    assert "MAELSTROM_BUCKET" in caught.value.cure


@pytest.fixture
def nobody():
    """A folder that this process may read but not write, with the rights of an ordinary user."""
    folder = Path(tempfile.mkdtemp(prefix="bootcamp-read-only-"))
    folder.chmod(0o755)
    root = os.geteuid() == 0
    yield folder, lambda: os.seteuid(65534) if root else None
    if root:
        os.seteuid(0)
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def protect(folder):
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def test_unwritable_folder(fake, monkeypatch, nobody):
    folder, become = nobody
    fake("TINY_IN_PROCESS")
    monkeypatch.setenv("MAELSTROM_BUCKET", str(folder))
    protect(folder)
    become()
    with pytest.raises(BootcampError, match="cannot be read or written: Permission denied"):
        bucket.samples("maelstrom-yr").make()


def test_complete_bucket_may_be_read_only(fake, monkeypatch, nobody):
    folder, become = nobody
    fake("TINY_IN_PROCESS")
    monkeypatch.setenv("MAELSTROM_BUCKET", str(folder))
    store = bucket.samples("maelstrom-yr")
    store.make()
    for path in files(store.root / "url"):
        os.utime(path)  # as after copying: digests are compared, but the new times cannot be recorded
    protect(folder)
    become()
    assert store.make() == 0
    assert not store.verify()


def test_refusal_inside_a_recipe(fake, root, monkeypatch):
    fake("TINY")
    monkeypatch.setenv("FAKE_DENY", "job1")
    with pytest.raises(BootcampError, match="cannot be read or written: Permission denied: somewhere"):
        bucket.samples("maelstrom-yr").make(progress=False)


# ---------------------------------------------------------------- what a worker answers


@pytest.mark.parametrize(
    ("variable", "key", "value"),
    [
        ("FAKE_FAIL", "cause", "The recipe of maelstrom-yr failed at job1: ValueError: a fault on purpose"),
        ("FAKE_DENY", "refused", [13, "Permission denied", "somewhere"]),
        ("FAKE_FULL", "disk_full", f"{fakes.HOST}/maelstrom-ap1/tiny/ci/1a.nc"),
    ],
)
def test_failures_become_plain_values(tmp_path, monkeypatch, variable, key, value):
    monkeypatch.setenv(variable, "job1")
    job = fakes.TINY.plan("ci", 0)[1]
    assert answer(fakes.TINY, job, Writer(tmp_path, fakes.TINY, "ci", 0))[key] == value


def test_success_becomes_entries(tmp_path):
    job = fakes.TINY.plan("ci", 0)[1]
    entries = answer(fakes.TINY, job, Writer(tmp_path, fakes.TINY, "ci", 0))["entries"]
    assert [e["object"] for e in entries] == list(job.objects)


def test_job_without_estimate_skips_the_check_of_space(root, monkeypatch):
    assert Job("key", ("object",)).bytes == 0
    store = Store("maelstrom-power-production", root, "ci", 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: pytest.fail("asked for free space"))
    store._check_space(store.jobs)
