from __future__ import annotations

import pytest

from maelstrom_bootcamp.course.directives import to_plain

PAIRS = {
    "exercise": (
        "```{exercise-start} RMSE\n:label: ex-a1-rmse\n```\nWrite it.",
        "### Exercise: RMSE\n\nWrite it.",
    ),
    "exercise without title": (
        "```{exercise-start}\n:label: ex-a1-rmse\n```\nWrite it.",
        "### Exercise\n\nWrite it.",
    ),
    "gates": (
        "```{solution-start} ex-a1-rmse\n:class: dropdown\n```\nIt is\n```{solution-end}\n```",
        "It is",
    ),
    "dropdown": (
        ":::{dropdown} Hint\nLook at {math}`x`.\n:::",
        "<details>\n<summary>Hint</summary>\n\nLook at $x$.\n\n</details>",
    ),
    "note": ("```{note}\nTwo\nlines\n```", "> **Note**\n>\n> Two\n> lines"),
    "note, text on the first line": ("```{tip} Short\n```", "> **Tip**\n>\n> Short"),
    "admonition": ("````{admonition} Title\n:class: tip\ntext\n````", "> **Title**\n>\n> text"),
    "seealso": (":::{seealso}\nthere\n:::", "> **See also**\n>\n> there"),
    "nested": (
        "````{note}\n```{math}\n:label: mae\nx = y\n```\n````",
        "> **Note**\n>\n> $$\n> x = y \\tag{mae}\n> $$",
    ),
    "figure": (
        "```{figure} map.png\n:alt: A map\n:width: 80%\nThe caption\n```",
        "![A map](map.png)\n\nThe caption",
    ),
    "unknown": ("```{mermaid}\na --> b\n```", "> a --> b"),
    "code-block": ("```{code-block} bash\nls\n```", "```bash\nls\n```"),
    "code": ("```python\n{note}`x`\n```", "```python\n{note}`x`\n```"),
    "roles": (
        "{cite:p}`nipen2023` {doc}`the page <../x>` {ref}`ex-a1-mae` {eq}`mae` {term}`CRPS`",
        "(nipen2023) the page ex-a1-mae (mae) CRPS",
    ),
    "inline code": (
        "write ``{eq}`mae` `` or `{x}` and {term}`skill`",
        "write ``{eq}`mae` `` or `{x}` and skill",
    ),
    "unclosed": ("```{note}\ntext", "> **Note**\n>\n> text"),
    "plain": ("# Title\n\ntext with $x$ | a |", "# Title\n\ntext with $x$ | a |"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_to_plain(name):
    source, plain = PAIRS[name]
    assert to_plain(source) == plain
    assert to_plain(plain) == plain, "plain text stays as it is"
