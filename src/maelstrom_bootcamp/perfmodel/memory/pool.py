"""An allocator as TensorFlow has it ("best fit with coalescing"), and the tensors that live in it.

The allocator asks the system for regions, each twice as large as the one before, and hands out pieces of
them. A request gets the smallest free piece that is large enough; the piece is cut only if at least half of
it would be left, so that up to half of what is handed out is lost. A piece that is given back is joined with
free neighbours. Source: TensorFlow's ``bfc_allocator.cc``, its constructor, ``Extend``, ``FindChunkPtr`` and
``Merge``; the sizes below stand there.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

#: Requests are rounded up to multiples of so many bytes (``kMinAllocationSize``).
GRAIN = 256
#: Size of the first region.
FIRST_REGION = 2 << 20
#: A piece is cut, too, if so much would be lost (``max_internal_fragmentation_bytes``).
_MOST_LOST = 128 << 20
#: Regions never touch: addresses are only names here, and so far apart that no region reaches the next.
_APART = 1 << 50

Phase = Literal["forward", "backward", "update"]
Purpose = Literal["activation", "gradient", "work"]


@dataclass(slots=True)
class _Piece:
    size: int
    free: bool
    before: int | None  # address of the neighbour in the same region
    behind: int | None


class Allocator:
    """Hands out pieces of memory; ``used`` counts their bytes, with what is lost in them."""

    def __init__(self) -> None:
        self.used = 0
        self._pieces: dict[int, _Piece] = {}
        self._free: list[tuple[int, int]] = []  # (size, address), ascending
        self._next_region = FIRST_REGION
        self._regions = 0

    def take(self, size: int) -> int:
        """The address of a piece of at least ``size`` bytes, a positive multiple of `GRAIN`."""
        place = bisect_left(self._free, (size, -1))
        if place == len(self._free):
            self._extend(size)
            place = bisect_left(self._free, (size, -1))
        _, address = self._free.pop(place)
        piece = self._pieces[address]
        if piece.size >= 2 * size or piece.size - size >= _MOST_LOST:
            self._cut(address, size)
        piece.free = False
        self.used += piece.size
        return address

    def give(self, address: int) -> None:
        """Take a piece back."""
        piece = self._pieces[address]
        self.used -= piece.size
        piece.free = True
        if piece.behind is not None and self._pieces[piece.behind].free:
            self._hide(piece.behind)
            self._join(address, piece.behind)
        if piece.before is not None and self._pieces[piece.before].free:
            address, behind = piece.before, address
            self._hide(address)
            self._join(address, behind)
        insort(self._free, (self._pieces[address].size, address))

    def _extend(self, size: int) -> None:
        grown = size > self._next_region
        while size > self._next_region:
            self._next_region *= 2
        address = self._regions * _APART
        self._regions += 1
        self._pieces[address] = _Piece(self._next_region, True, None, None)
        insort(self._free, (self._next_region, address))
        if not grown:
            self._next_region *= 2

    def _cut(self, address: int, size: int) -> None:
        piece = self._pieces[address]
        rest = address + size
        self._pieces[rest] = _Piece(piece.size - size, True, address, piece.behind)
        if piece.behind is not None:
            self._pieces[piece.behind].before = rest
        piece.size, piece.behind = size, rest
        insort(self._free, (self._pieces[rest].size, rest))

    def _join(self, address: int, behind: int) -> None:
        piece, gone = self._pieces[address], self._pieces.pop(behind)
        piece.size += gone.size
        piece.behind = gone.behind
        if gone.behind is not None:
            self._pieces[gone.behind].before = address

    def _hide(self, address: int) -> None:
        self._free.pop(bisect_left(self._free, (self._pieces[address].size, address)))


class Pool:
    """Tensors of one pass, each with the number of those who need it.

    Attributes
    ----------
    place : tuple of (str, int)
        Where the pass is: phase and operator; set from outside.
    held : dict
        Bytes that are needed now, for each purpose.
    peak, peak_held, peak_place
        Most bytes that the allocator had handed out, what was needed then, and where that was.
    """

    def __init__(self, allocator: Allocator) -> None:
        self.allocator = allocator
        self.sizes: list[int] = []
        self.users: Counter[int] = Counter()
        self.held: dict[Purpose, int] = dict.fromkeys(get_args(Purpose), 0)
        self.place: tuple[Phase, int] = ("forward", 0)
        self.peak, self.peak_held, self.peak_place = allocator.used, self.held.copy(), self.place
        self._purposes: list[Purpose] = []
        self._addresses: dict[int, int] = {}

    def new(self, size: int, purpose: Purpose) -> int:
        """A tensor of so many bytes, needed by one; returns its number."""
        tensor = len(self.sizes)
        self.sizes.append(size)
        self._purposes.append(purpose)
        self.users[tensor] = 1
        self.held[purpose] += size
        if size:
            self._addresses[tensor] = self.allocator.take(size)
        if self.allocator.used > self.peak:
            self.peak, self.peak_held, self.peak_place = self.allocator.used, self.held.copy(), self.place
        return tensor

    def need(self, tensor: int, times: int = 1) -> int:
        """One more needs it, or several; returns the tensor."""
        self.users[tensor] += times
        return tensor

    def drop(self, *tensors: int) -> None:
        """One needs each of them no more; with the last it is gone."""
        for tensor in tensors:
            self.users[tensor] -= 1
            if not self.users[tensor]:
                self.held[self._purposes[tensor]] -= self.sizes[tensor]
                if tensor in self._addresses:
                    self.allocator.give(self._addresses.pop(tensor))

    def brief(self, size: int) -> None:
        """A tensor that is gone at once."""
        self.drop(self.new(size, "work"))

    def clear(self) -> None:
        """The pass is over: nothing is needed any more."""
        for address in self._addresses.values():
            self.allocator.give(address)
        self._addresses.clear()
