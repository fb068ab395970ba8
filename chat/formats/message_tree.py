"""Makes a tree of messages from parents that anybody may have written. Pure, without recursion.

Nothing said is lost: a message whose parent is missing, or that hangs in a circle, begins a version
of its own at the top.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Tree:
    """`order`: ids, parents first, otherwise as they came. `parents`: None for the first ones.

    `instead`: for each id that was taken out, the nearest above it that stayed.
    """

    order: tuple[str, ...]
    parents: dict[str, str | None]
    depths: dict[str, int]
    missing: int  # parents that are not there
    circles: int
    instead: Mapping[str, str | None] = field(default_factory=dict)

    def standing(self, id_: str | None) -> str | None:
        """The id itself, or what is there instead of it."""
        found = self.instead.get(id_, id_) if id_ is not None else None
        return found if found in self.parents else None

    @property
    def notes(self) -> tuple[str, ...]:
        found = []
        if self.missing:
            found.append(f"{self.missing:,} messages followed one that is missing in the file.")
        if self.circles:
            found.append("Messages that followed each other in a circle were taken apart.")
        return tuple(found)


def build_tree(wanted: Mapping[str, str | None]) -> Tree:
    """The tree of `wanted`, each id's parent, made sound."""
    parents: dict[str, str | None] = {}
    missing = 0
    for id_, parent in wanted.items():
        is_there = parent is not None and parent in wanted
        missing += parent is not None and not is_there
        parents[id_] = parent if is_there else None
    circles = _cut_circles(parents)
    children = children_of(parents)
    order: list[str] = []
    depths: dict[str, int] = {}
    todo = list(reversed(children.get(None, [])))
    while todo:
        id_ = todo.pop()
        parent = parents[id_]
        depths[id_] = 0 if parent is None else depths[parent] + 1
        order.append(id_)
        todo.extend(reversed(children.get(id_, [])))
    return Tree(tuple(order), parents, depths, missing, circles)


def prune(tree: Tree, left: Container[str]) -> Tree:
    """The tree without some ids: what hung below one hangs below the nearest that stays."""
    above: dict[str, str | None] = {}
    for id_ in tree.order:
        parent = tree.parents[id_]
        above[id_] = above[parent] if parent is not None and parent in left else parent
    return replace(
        build_tree({id_: above[id_] for id_ in tree.parents if id_ not in left}),
        missing=tree.missing,
        circles=tree.circles,
        instead={id_: parent for id_, parent in above.items() if id_ in left},
    )


def children_of(parents: Mapping[str, str | None]) -> dict[str | None, list[str]]:
    """The ids below each id, in the order they came."""
    children: dict[str | None, list[str]] = {}
    for id_, parent in parents.items():
        children.setdefault(parent, []).append(id_)
    return children


def _cut_circles(parents: dict[str, str | None]) -> int:
    """Makes the first message of every circle one without a parent; how many circles."""
    circles = 0
    seen: dict[str, str] = {}  # id → where the walk that came by began
    for start in parents:
        id_: str | None = start
        while id_ is not None and id_ not in seen:
            seen[id_] = start
            id_ = parents[id_]
        if id_ is not None and seen[id_] == start:
            parents[id_] = None
            circles += 1
    return circles
