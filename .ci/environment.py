"""Write environment.yml (conda, mamba, Binder) from pyproject.toml and the lock; "make lock" calls it."""

import re
import tomllib
from pathlib import Path

HEAD = """\
# For conda, mamba and Binder: the packages that pyproject.toml names, at the versions of requirements.lock.
# Written by "make lock". postBuild then installs the complete lock and the course itself.
# Left out: climetlab-maelstrom-power-production, whose metadata ask for versions of 2023 (postBuild adds it).
name: maelstrom-bootcamp
channels:
  - conda-forge
dependencies:
  - python>=3.11,<3.13
  - pip
  - pip:
"""
LEFT_OUT = ("climetlab-maelstrom-power-production",)


def normal(name: str) -> str:
    """Return a package's name in its normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Write the file."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    named = {normal(re.match(r"[\w.-]+", d)[0]) for d in project["dependencies"]} - set(LEFT_OUT)
    lock = re.findall(r"^([\w.-]+)(==[^\\\n]+)", Path("requirements.lock").read_text(), re.MULTILINE)
    lines = [f"{name}{rest.strip()}" for name, rest in lock if normal(name) in named]
    body = "".join(f'      - "{line}"\n' for line in lines)
    Path("environment.yml").write_text(HEAD + body)


if __name__ == "__main__":
    main()
