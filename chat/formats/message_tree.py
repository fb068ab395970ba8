"""Build a message tree from untrusted parent ids. Pure and without recursion.

No message is dropped: a message without a parent, or in a cycle, becomes a root.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Tree:
    """A forest of message ids.

    `order` lists parents before children, otherwise in input order. `parents` maps roots to None.
    `replacements` maps each pruned id to its nearest remaining ancestor.
    """

    order: tuple[str, ...]
    parents: dict[str, str | None]
    depths: dict[str, int]
    missing: int  # the number of references to missing parents
    cycles: int
    replacements: Mapping[str, str | None] = field(default_factory=dict)

    def resolve(self, id_: str | None) -> str | None:
        """Return the id, its replacement if it was pruned, or None if it is not in the tree."""
        resolved = self.replacements.get(id_, id_) if id_ is not None else None
        return resolved if resolved in self.parents else None

    @property
    def notes(self) -> tuple[str, ...]:
        notes = []
        if self.missing:
            notes.append(f"{self.missing:,} messages follow a message that is missing in the file.")
        if self.cycles:
            notes.append("Messages that formed a cycle were separated.")
        return tuple(notes)


def build_tree(links: Mapping[str, str | None]) -> Tree:
    """Return the tree for `links`, the requested parent of each id."""
    parents: dict[str, str | None] = {}
    missing = 0
    for id_, parent in links.items():
        exists = parent is not None and parent in links
        missing += parent is not None and not exists
        parents[id_] = parent if exists else None
    cycles = _break_cycles(parents)
    children = children_of(parents)
    order: list[str] = []
    depths: dict[str, int] = {}
    stack = list(reversed(children.get(None, [])))
    while stack:
        id_ = stack.pop()
        parent = parents[id_]
        depths[id_] = 0 if parent is None else depths[parent] + 1
        order.append(id_)
        stack.extend(reversed(children.get(id_, [])))
    return Tree(tuple(order), parents, depths, missing, cycles)


def prune(tree: Tree, removed: Container[str]) -> Tree:
    """Return the tree without some ids. Their children move to the nearest remaining ancestor."""
    ancestors: dict[str, str | None] = {}
    for id_ in tree.order:
        parent = tree.parents[id_]
        ancestors[id_] = ancestors[parent] if parent is not None and parent in removed else parent
    return replace(
        build_tree({id_: ancestors[id_] for id_ in tree.parents if id_ not in removed}),
        missing=tree.missing,
        cycles=tree.cycles,
        replacements={id_: parent for id_, parent in ancestors.items() if id_ in removed},
    )


def children_of(parents: Mapping[str, str | None]) -> dict[str | None, list[str]]:
    """Return the children of each id in input order. Roots are the children of None."""
    children: dict[str | None, list[str]] = {}
    for id_, parent in parents.items():
        children.setdefault(parent, []).append(id_)
    return children


def _break_cycles(parents: dict[str, str | None]) -> int:
    """Turn the first message of each cycle into a root. Return the number of cycles."""
    cycles = 0
    visited_from: dict[str, str] = {}  # id → start of the walk that visited it first
    for start in parents:
        id_: str | None = start
        while id_ is not None and id_ not in visited_from:
            visited_from[id_] = start
            id_ = parents[id_]
        if id_ is not None and visited_from[id_] == start:
            parents[id_] = None
            cycles += 1
    return cycles
