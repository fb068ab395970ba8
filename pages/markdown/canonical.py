"""Final check of written Markdown, independent of the parser and the writer.

The check accepts only the few forms that the writer uses: container markers repeated on each line,
fenced code, code spans and formulas within a line, and links with their destination in angle
brackets. It refuses whatever a parser could take for an image, a tag, a reference or a directive.
That includes formulas, because the frontend parses them as text if it recognizes no formula in the
whole text.
"""

import re
from collections.abc import Sequence

MARK = re.compile(r"> |>$|[-+](?: |$)|\d{1,9}[.)](?: |$)|\[\^\d{1,15}\]:(?: |$)", re.ASCII)
# Other marks directly below a line of text are text.
INTERRUPTS = re.compile(r">|[-+] \S|1[.)] \S")
FENCE = re.compile(r"(`{3,})[\w+#.-]*$", re.ASCII)
TASK = re.compile(r"\[[ xX]\] ")
ALIGNMENT = re.compile(r"\|(?: (?:---|:--|--:|:-:) \|)+$")
NOTE_WIDTH = 4
ESCAPE = r"\\[!-/:-@\[-`{-~]"
# Escapes, a code span, a formula, or syntax that is harmless only as the writer uses it.
TOKEN = re.compile(
    rf"(?:{ESCAPE})+|`+|\$+|!\[|\[\^\d{{1,15}}\](?![(:])|\]\(<|\][(:]|<[A-Za-z/!?]|"
    r":small\[\](?![({])|:(?=:|[^\W_][\w-]*[\[{]|[\w+-]+:|material[/_])"
)
REFUSED = ("![", "](", "]:", "<", ":")
DESTINATION = re.compile(
    r"(?:(?:https?|mailto|tel):|(?![^/?#>]*:))[\w!#$%&'*+,./:;=?@~-]*>"
    rf'(?: "(?:{ESCAPE}|[^\\"`])*")?\)',
    re.ASCII | re.IGNORECASE,
)


def is_canonical(lines: Sequence[str]) -> bool:
    """Return whether no reader can find an image, a tag or a directive in these lines, except in
    fenced code and code spans."""
    reader = _Reader()
    return all(map(reader.read, lines)) and not reader.is_open


class _Reader:
    def __init__(self) -> None:
        self._containers: list[int] = []  # the widths of items and notes; 0 for a quote
        self._fence = ""  # closes the open code
        self._in_formula = False
        self._after_blank = True
        self._after_text = False

    @property
    def is_open(self) -> bool:
        return bool(self._fence) or self._in_formula

    def read(self, line: str) -> bool:
        """Read the next line and return whether it is canonical."""
        if "\n" in line or "\r" in line:
            return False
        rest, depth = self._continue(line)
        is_inside = depth == len(self._containers)
        if self._fence:
            ends = rest.lstrip(" \t").startswith(self._fence)
            is_good = is_inside and (rest == self._fence or not ends)
            self._fence = "" if ends else self._fence
            return is_good
        if self._in_formula:
            if rest == "$$":
                self._in_formula = False
                return is_inside
            rest = rest.lstrip(" \t")
            return is_inside and bool(rest) and not FENCE.match(rest) and self._is_text(rest)
        if not rest:
            del self._containers[depth:]
            self._after_blank, self._after_text = True, False
            return True
        # A line outside of a container could still continue a paragraph in it.
        mark = MARK.match(rest)
        if not is_inside and not (self._after_blank or mark):
            return False
        if is_inside and self._after_text and mark and not INTERRUPTS.match(rest):
            return False
        del self._containers[depth:]
        return self._block(rest)

    def _continue(self, line: str) -> tuple[str, int]:
        """Return the line without the containers that it continues, and how many there are."""
        for depth, width in enumerate(self._containers):
            if width == 0 and line.startswith(">"):
                line = line[2:] if line.startswith("> ") else line[1:]
            elif width and (line.startswith(" " * width) or not line):
                line = line[width:]
            else:
                return line, depth
        return line, len(self._containers)

    def _block(self, rest: str) -> bool:
        """Read what begins in a line: containers, and a block that must not be indented."""
        is_item = False
        while found := MARK.match(rest):
            widths = {">": 0, "[": NOTE_WIDTH}
            self._containers.append(widths.get(rest[0], len(found[0].rstrip()) + 1))
            is_item = rest[0] not in widths
            rest = rest[found.end() :]
        self._after_blank, self._after_text = not rest, bool(rest)
        if found := FENCE.match(rest):
            self._fence, self._after_text = found[1], False
            return True
        if rest == "$$":
            self._in_formula, self._after_text = True, False
            return True
        if is_item and (task := TASK.match(rest)):
            rest = rest[task.end() :]
        is_block = rest.startswith((" ", "\t", "* ", "*\t", "~~~", "$$$")) or rest == "*"
        return not is_block and self._is_text(rest)

    def _is_text(self, line: str) -> bool:
        """Return whether a line of text holds no image, tag, reference or directive."""
        if ALIGNMENT.match(line):
            return True
        position = formula_end = 0
        closers: dict[str, list[int]] = {}
        while found := TOKEN.search(line, position):
            token, position = found[0], found.end()
            if token[0] in "`$":
                if token[0] == "$" and found.start() < formula_end:
                    continue
                end = _closing(line, token, position, closers)
                if end is None or (token[0] == "`" and (formula_end > position)):
                    return False
                body = line[position:end]
                if token[0] == "$":
                    if "`" in body:
                        return False
                    formula_end = end + len(token)
                elif not _is_code(body, in_table=line.startswith("|")):
                    return False
                else:
                    position = end + len(token)
            elif token == "](<":
                destination = DESTINATION.match(line, position)
                if destination is None:
                    return False
                position = destination.end()
            elif token == "]:" and not line.startswith("["):
                continue  # only the beginning of a line can define a reference
            elif token.startswith(REFUSED) and token != ":small[]":
                return False
        return True


def _closing(line: str, run: str, start: int, closers: dict[str, list[int]]) -> int | None:
    """Return the index of the next run of the same length."""
    if run not in closers:
        runs = re.finditer(r"`+" if run[0] == "`" else r"\$+", line)
        closers[run] = [each.start() for each in runs if each[0] == run][::-1]
    starts = closers[run]
    while starts and starts[-1] < start:
        starts.pop()
    return starts.pop() if starts else None


def _is_code(code: str, *, in_table: bool) -> bool:
    """Return whether a code span stays one if the line is a row of a table."""
    if in_table and ("\\\\|" in code or "|" in code.replace("\\|", "")):
        return False
    return not ("|" in code and "![" in code)
