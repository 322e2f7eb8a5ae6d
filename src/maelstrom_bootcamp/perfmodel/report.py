"""Tables of the model cards, for pages of the book: ``python -m maelstrom_bootcamp.perfmodel.report``.

The page `book/model-card-perfmodel.md` holds what this module prints; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence

from maelstrom_bootcamp.perfmodel.predict import card

#: Card -> what it is about.
TITLES: dict[str, str] = {
    "cpu-infer": "Inference by onnxruntime, one core",
    "cpu-train": "Training step by TensorFlow, one core",
    "cpu-memory": "Peak memory of a training step",
    "rtx3090-train": "Training step, RTX 3090",
    "rtx3090-infer": "Inference, RTX 3090",
    "rtx4090-infer": "Inference, RTX 4090",
}


def scores(name: str) -> str:
    """The race of one table in Markdown: macro MAPE and its spread, MAPE, median, share within 10 %.

    Parameters
    ----------
    name : str
        One of `TITLES`.

    Returns
    -------
    str
        A table; one row for each predictor and protocol.
    """
    head = ("protocol", "predictor", "macro MAPE", "MAPE", "median", "within 10 %")
    rows = [
        (
            row["protocol"],
            row["predictor"],
            f"{row['macro']:.1f} ± {row['macro_spread']:.1f}",
            f"{row['mape']:.1f} ± {row['mape_spread']:.1f}",
            f"{row['median']:.1f}",
            f"{row['within10']:.0f}",
        )
        for row in card(name)["scores"]
    ]
    return _markdown(head, rows, "ll" + "r" * 4)


def families(names: Sequence[str]) -> str:
    """The errors of this course's predictors by family in Markdown, for architectures that were not seen.

    Parameters
    ----------
    names : sequence of str
        Of cards.

    Returns
    -------
    str
    """
    cards = [card(name)["families"] for name in names]
    rows = [(family, *(f"{c[family]:.1f}" for c in cards)) for family in sorted(cards[0])]
    return _markdown(("family", *names), rows, "l" + "r" * len(names))


def page() -> str:
    """All tables of the page.

    Returns
    -------
    str
    """
    parts = []
    for name, title in TITLES.items():
        found = card(name)
        noise = f", label noise {found['noise_percent']:.1f} %" if "noise_percent" in found else ""
        splits = max(row["splits"] for row in found["scores"])
        about = f"{found['networks']} networks{noise}; mean ± standard deviation over {splits} splits."
        parts.append(f"### {title}\n\n{about}\n\n{scores(name)}")
    parts.append("### By family\n\n" + families([n for n in TITLES if n.startswith("cpu")]))
    return "\n\n".join(parts) + "\n"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    rule = ["--:" if a == "r" else "---" for a in align]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


if __name__ == "__main__":
    print(page())
