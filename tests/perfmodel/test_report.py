from __future__ import annotations

from pathlib import Path

from maelstrom_bootcamp.perfmodel import report
from maelstrom_bootcamp.perfmodel.predict import card

PAGE = Path(__file__).parents[2] / "book" / "model-card-perfmodel.md"


def test_the_page_of_the_book_holds_the_tables_of_the_cards():
    text = PAGE.read_text(encoding="utf-8")
    assert report.page().strip() in text, "run python -m maelstrom_bootcamp.perfmodel.report and paste it"


def test_every_predictor_of_a_card_has_a_row():
    for name in report.TITLES:
        rows = report.scores(name).splitlines()
        assert len(rows) == 2 + len(card(name)["scores"])
        assert all(row.count("|") == 7 for row in rows)
    assert report.families(["cpu-infer"]).count("\n") == 1 + 11
