"""MyST Markdown to plain Markdown, for hubs whose JupyterLab does not know MyST's directives."""

from __future__ import annotations

import re
from collections.abc import Callable

_OPEN = re.compile(r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<title>.*)$")
_OPTION = re.compile(r"^:([\w-]+):[ \t]*(.*)$")
_CODE_FENCE = re.compile(r"^(`{3,}|~{3,})(?!\{)")
_ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")
_INLINE_CODE = re.compile(r"(``.*?``|`[^`]*`)")
_BOXES = ("note", "tip", "warning", "important", "caution", "danger", "hint", "seealso", "attention", "error")


def to_plain(text: str) -> str:
    """Turn MyST directives and roles into Markdown that any notebook shows.

    Exercises become headed text, dropdowns ``<details>``, boxes quotes, figures images; the gates of
    solutions vanish. Code blocks are left alone.

    Parameters
    ----------
    text : str
        Source of a Markdown cell.

    Returns
    -------
    str
    """
    lines, out = text.split("\n"), []
    while lines:
        line = lines.pop(0)
        if match := _OPEN.match(line):
            body = _take_until(lines, match["fence"])
            out += [_directive(match["name"], match["title"].strip(), body), ""]
        elif match := _CODE_FENCE.match(line):
            out += [line, *_take_until(lines, match[1]), match[1]]
        else:
            out.append(_roles(line))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()


def _take_until(lines: list[str], fence: str) -> list[str]:
    """Take the lines up to the one that closes a fence, and drop that one."""
    body = []
    while lines:
        line = lines.pop(0)
        if line.strip() and set(line.strip()) == {fence[0]} and len(line.strip()) >= len(fence):
            return body
        body.append(line)
    return body


def _directive(name: str, title: str, body: list[str]) -> str:
    options: dict[str, str] = {}
    while body and (match := _OPTION.match(body[0])):
        options[match[1]] = match[2].strip()
        body = body[1:]
    text = "\n".join(body).strip()
    special = _DIRECTIVES.get(name)
    if special is not None:
        return special(_roles(title), text, options)
    if name in _BOXES:
        return _quote(name.capitalize() if name != "seealso" else "See also", to_plain(_joined(title, text)))
    return _quote(_roles(title), to_plain(text))  # admonition and whatever else has a title and a text


def _joined(first: str, rest: str) -> str:
    return f"{first}\n{rest}".strip()


def _quote(title: str, text: str) -> str:
    lines = ([f"**{title}**", ""] if title else []) + text.split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _exercise(title: str, text: str, _options: dict[str, str]) -> str:
    return _joined(f"### Exercise: {title}\n" if title else "### Exercise\n", to_plain(text))


def _dropdown(title: str, text: str, _options: dict[str, str]) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{to_plain(text)}\n\n</details>"


def _figure(path: str, text: str, options: dict[str, str]) -> str:
    return _joined(f"![{options.get('alt', '')}]({path})\n", to_plain(text))


def _math(title: str, text: str, options: dict[str, str]) -> str:
    tag = f" \\tag{{{options['label']}}}" if "label" in options else ""
    return f"$$\n{_joined(title, text)}{tag}\n$$"


def _code(title: str, text: str, _options: dict[str, str]) -> str:
    return f"```{title}\n{text}\n```"


def _nothing(_title: str, _text: str, _options: dict[str, str]) -> str:
    return ""


_DIRECTIVES: dict[str, Callable[[str, str, dict[str, str]], str]] = {
    "exercise-start": _exercise,
    "exercise-end": _nothing,
    "solution-start": _nothing,
    "solution-end": _nothing,
    "bibliography": _nothing,
    "dropdown": _dropdown,
    "figure": _figure,
    "image": _figure,
    "math": _math,
    "code-block": _code,
    "code": _code,
}


def _roles(line: str) -> str:
    """Turn the roles of a line into text; inline code without a role is left alone."""
    parts, rest = [], line
    while rest:
        role, code = _ROLE.search(rest), _INLINE_CODE.search(rest)
        if role and (not code or role.start() < code.start()):
            parts += [rest[: role.start()], _role(role[1], role[2])]
            rest = rest[role.end() :]
        elif code:
            parts.append(rest[: code.end()])
            rest = rest[code.end() :]
        else:
            parts.append(rest)
            rest = ""
    return "".join(parts)


def _role(name: str, content: str) -> str:
    titled = re.fullmatch(r"(.*\S)\s*<[^<>]+>", content, re.DOTALL)
    if name == "math":
        return f"${content}$"
    if name == "eq":
        return f"({content})"
    if name.startswith("cite"):
        return f"({content})"
    return titled[1] if titled else content
