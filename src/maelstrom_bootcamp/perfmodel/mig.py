"""Which slice of a GPU does a network need? NVIDIA's Multi-Instance GPU (MIG) cuts one card into up to seven.

DIPPM picks the slice by a rule of four thresholds (`dippm_rule`). `choose` does the same with what that
rule leaves out: the memory that a process takes before any network is loaded, the uncertainty of the
prediction, the edges of the intervals, and a deadline.
"""

from __future__ import annotations

from dataclasses import dataclass

from maelstrom_bootcamp.errors import BootcampError

#: MB (10^6 bytes) that a CUDA process holds before it has done anything: assumed, half a gigabyte.
CONTEXT_MB = 500.0


@dataclass(frozen=True)
class Profile:
    """One way to cut a slice.

    Attributes
    ----------
    name : str
        NVIDIA's name: compute slices and memory.
    memory : float
        Fraction of the card's memory.
    compute : float
        Fraction of its multiprocessors.
    instances : int
        How many fit on a card.
    """

    name: str
    memory: float
    compute: float
    instances: int


#: Fractions and instances: NVIDIA, MIG User Guide, "Supported MIG Profiles"; the names follow the memory.
_SLICES = (("1g", 1 / 8, 1 / 7, 7), ("2g", 2 / 8, 2 / 7, 3), ("3g", 4 / 8, 3 / 7, 2), ("7g", 1.0, 1.0, 1))
#: Card -> memory in MB of 10^6 bytes.
CARDS: dict[str, float] = {"a100-40gb": 40_000.0, "a100-80gb": 80_000.0, "h100-80gb": 80_000.0}


def profiles(card: str) -> tuple[Profile, ...]:
    """The slices of a card, from the smallest.

    4g has the memory of 3g and can be cut only once; the media slices differ in nothing that counts here.

    Parameters
    ----------
    card : {"a100-40gb", "a100-80gb", "h100-80gb"}

    Returns
    -------
    tuple of Profile

    Raises
    ------
    BootcampError
        If there is no such card.
    """
    if card not in CARDS:
        raise BootcampError(f"{card!r} is no card that is cut here.", f"Take one of: {', '.join(CARDS)}.")
    gigabytes = CARDS[card] / 1000
    return tuple(
        Profile(f"{name}.{gigabytes * memory:.0f}gb", memory, compute, instances)
        for name, memory, compute, instances in _SLICES
    )


def choose(
    memory_mb: float,
    card: str,
    *,
    context_mb: float = CONTEXT_MB,
    latency_s: float | None = None,
    deadline_s: float | None = None,
) -> tuple[Profile | None, str]:
    """The smallest slice that holds a network, and is fast enough.

    Parameters
    ----------
    memory_mb : float
        What the network needs, MB of 10^6 bytes. Give the upper end of a prediction's interval, not its
        middle.
    card : {"a100-40gb", "a100-80gb", "h100-80gb"}
    context_mb : float
        What the process needs besides.
    latency_s, deadline_s : float, optional
        Seconds on the whole card, and seconds that are allowed. Assumed is that time grows as the slice's
        share of the multiprocessors shrinks, which is the worst case: small networks do not fill a card.

    Returns
    -------
    (Profile or None, str)
        The slice, or None if none will do; and why.

    Raises
    ------
    BootcampError
        If there is no such card, or the memory is not positive.
    """
    if not memory_mb > 0:
        raise BootcampError(f"A memory of {memory_mb} MB is not one.", "Give what the network needs, in MB.")
    if (latency_s is None) != (deadline_s is None):
        raise BootcampError("Latency and deadline belong together.", "Give both, or neither.")
    need = memory_mb + context_mb
    fitting = [p for p in profiles(card) if need <= p.memory * CARDS[card]]
    if not fitting:
        return None, f"{need:,.0f} MB are more than the {CARDS[card]:,.0f} MB of {card}"
    for profile in fitting:
        if deadline_s is None or latency_s / profile.compute <= deadline_s:
            return profile, f"{need:,.0f} MB of {profile.memory * CARDS[card]:,.0f} MB"
    return None, f"{latency_s:.3g} s on the whole card are more than the {deadline_s:.3g} s that are allowed"


def dippm_rule(memory_mb: float) -> str:
    """The published rule for an A100 with 40 GB, as it stands in the code: strict inequalities, and no rest.

    Parameters
    ----------
    memory_mb : float
        Predicted memory in MB.

    Returns
    -------
    str
        A profile's name, or "Undefined"; also for 5000, 10000 and 20000 exactly, and above 40000.

    References
    ----------
    github.com/karthickai/dippm (Apache-2.0).
    """
    rule = ((5000, "1g.5gb"), (10000, "2g.10gb"), (20000, "3g.20gb"), (40000, "7g.40gb"))
    edges = (0, *(high for high, _ in rule))
    found = (name for low, (high, name) in zip(edges, rule, strict=False) if low < memory_mb < high)
    return next(found, "Undefined")
