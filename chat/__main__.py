"""The commands of whoever runs Parley: `python -m chat backup`, `restore`, `doctor` and `check`.

They read the same configuration as the app, from the folder they are called in, and first say
which database that means. They end with 0 when all is well, with 1 when something was found, and
with 2 when they could not do their work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from chat.bootstrap import problems_of
from chat.config.settings import Settings, parse_settings, read_settings
from chat.config.sources import load_config
from chat.domain.sizes import human_size
from chat.errors import ParleyError
from chat.services import database_admin

SHOWN = 10  # ids in a line


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        config = load_config()
        if not config.unread:  # which may name another one
            sys.stderr.write(f"Database: {database_admin.database(parse_settings(config)[0])}\n")
        if given.command == "check":
            return _check(problems_of(config))
        settings = read_settings(config)
        if given.command == "backup":
            return _back_up(settings, given.file)
        if given.command == "restore":
            return _restore(settings, given.file, replaces=given.replace)
        return _examine(settings, repairs=given.repair)
    except ParleyError as error:
        details = f" ({error.details})" if error.details else ""
        sys.stderr.write(f"{error}{details}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m chat", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    backup = commands.add_parser("backup", help="write a copy of the database, also while it runs")
    backup.add_argument("file", type=Path)
    restore = commands.add_parser("restore", help="fill the database with a backup")
    restore.add_argument("file", type=Path)
    restore.add_argument(
        "--replace", action="store_true", help="also if it is not empty; what was there is kept"
    )
    doctor = commands.add_parser("doctor", help="look for faults in the database")
    doctor.add_argument("--repair", action="store_true", help="and put right what can be")
    commands.add_parser("check", help="look for problems in the configuration")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _back_up(settings: Settings, file: Path) -> int:
    size = database_admin.back_up(settings, file)
    _say(f"{file}: {human_size(size)}")
    return 0


def _restore(settings: Settings, file: Path, *, replaces: bool) -> int:
    kept = database_admin.restore(settings, file, datetime.now(UTC), replaces=replaces)
    _say(f"Restored {file}.")
    if kept is not None:
        _say(f"What was there before is kept in {kept}.")
    return 0


def _examine(settings: Settings, *, repairs: bool) -> int:
    is_clean = True
    for finding in database_admin.examine(settings, repairs=repairs):
        if not finding.ids:
            _say(f"{finding.name}: ok")
            continue
        shown = ", ".join(finding.ids[:SHOWN]) + (", …" if len(finding.ids) > SHOWN else "")
        fate = ""
        if finding.is_repaired:
            fate = "; repaired"
        elif finding.advice:
            fate = f"; cannot be repaired: {finding.advice}"
        elif repairs:
            fate = "; could not be repaired"
        _say(f"{finding.name}: {len(finding.ids)} {finding.wrong}{fate}: {shown}")
        is_clean &= finding.is_clean
    return 0 if is_clean else 1


def _check(problems: Sequence[str]) -> int:
    for problem in problems:
        _say(problem)
    if not problems:
        _say("The configuration is fine.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
