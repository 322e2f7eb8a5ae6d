from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maelstrom_bootcamp.errors import BootcampError
from maelstrom_bootcamp.perfmodel.mig import CARDS, CONTEXT_MB, choose, dippm_rule, profiles


def test_names_follow_the_memory():
    assert [p.name for p in profiles("a100-40gb")] == ["1g.5gb", "2g.10gb", "3g.20gb", "7g.40gb"]
    assert [p.name for p in profiles("h100-80gb")] == ["1g.10gb", "2g.20gb", "3g.40gb", "7g.80gb"]


@given(st.floats(1, 100_000), st.sampled_from(sorted(CARDS)))
def test_the_smallest_slice_that_holds_it(memory, card):
    found, why = choose(memory, card)
    slices = profiles(card)
    if found is None:
        assert memory + CONTEXT_MB > CARDS[card]
        assert "more than" in why
    else:
        assert memory + CONTEXT_MB <= found.memory * CARDS[card]
        smaller = [p for p in slices if p.memory < found.memory]
        assert all(memory + CONTEXT_MB > p.memory * CARDS[card] for p in smaller)


def test_edges_have_a_slice_here_and_none_in_the_published_rule():
    for edge in (5000, 10000, 20000, 40000):
        assert choose(edge, "a100-40gb", context_mb=0)[0] is not None
        assert dippm_rule(edge) == "Undefined"
    assert [dippm_rule(m) for m in (1, 5001, 19999, 39999)] == ["1g.5gb", "2g.10gb", "3g.20gb", "7g.40gb"]
    assert choose(4800, "a100-40gb")[0].name == "2g.10gb", "the process itself needs memory"
    assert dippm_rule(4800) == "1g.5gb"


def test_a_deadline_may_need_a_larger_slice():
    assert choose(100, "a100-40gb", latency_s=1.0, deadline_s=10.0)[0].name == "1g.5gb"
    assert choose(100, "a100-40gb", latency_s=1.0, deadline_s=3.0)[0].name == "3g.20gb"
    profile, why = choose(100, "a100-40gb", latency_s=1.0, deadline_s=0.5)
    assert profile is None
    assert "allowed" in why


@pytest.mark.parametrize(
    ("memory", "card", "more"),
    [(1.0, "v100", {}), (0.0, "a100-40gb", {}), (1.0, "a100-40gb", {"latency_s": 1.0})],
)
def test_questions_without_an_answer_are_refused(memory, card, more):
    with pytest.raises(BootcampError, match="What to do"):
        choose(memory, card, **more)
