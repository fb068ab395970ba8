"""Administration commands of Parley: backup, restore, doctor and check.

Run as `python -m chat COMMAND`. The commands read the same configuration as the app, from the
current folder, and print the database that it names to standard error. The exit code is 0 on
success, 1 if a check has found problems, and 2 if the command has failed.
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

MAX_IDS_SHOWN = 10  # per finding


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        config = load_config()
        if not config.unread:  # an unreadable source may set DATABASE_URL
            sys.stderr.write(
                f"Database: {database_admin.database_name(parse_settings(config)[0])}\n"
            )
        if options.command == "check":
            return _check(problems_of(config))
        settings = read_settings(config)
        if options.command == "backup":
            return _back_up(settings, options.file)
        if options.command == "restore":
            return _restore(settings, options.file, replaces=options.replace)
        return _examine(settings, repairs=options.repair)
    except ParleyError as error:
        details = f" ({error.details})" if error.details else ""
        sys.stderr.write(f"{error}{details}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m chat", description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    backup = commands.add_parser(
        "backup", help="copy the database to a file, also while Parley is running"
    )
    backup.add_argument("file", type=Path, help="new file; must not exist")
    restore = commands.add_parser("restore", help="fill the database with the contents of a backup")
    restore.add_argument("file", type=Path, help="backup to restore")
    restore.add_argument(
        "--replace",
        action="store_true",
        help="replace a database that is not empty; its data is kept in a file",
    )
    doctor = commands.add_parser("doctor", help="check the consistency of the database")
    doctor.add_argument(
        "--repair", action="store_true", help="repair the problems that can be repaired"
    )
    commands.add_parser("check", help="check the configuration")
    return parser


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _back_up(settings: Settings, file: Path) -> int:
    size = database_admin.back_up(settings, file)
    _print(f"{file}: {human_size(size)}")
    return 0


def _restore(settings: Settings, file: Path, *, replaces: bool) -> int:
    kept = database_admin.restore(settings, file, datetime.now(UTC), replaces=replaces)
    _print(f"Restored {file}.")
    if kept is not None:
        _print(f"The previous data is kept in {kept}.")
    return 0


def _examine(settings: Settings, *, repairs: bool) -> int:
    is_clean = True
    for finding in database_admin.examine(settings, repairs=repairs):
        if not finding.ids:
            _print(f"{finding.name}: ok")
            continue
        shown = ", ".join(finding.ids[:MAX_IDS_SHOWN])
        if len(finding.ids) > MAX_IDS_SHOWN:
            shown += ", …"
        result = ""
        if finding.is_repaired:
            result = "; repaired"
        elif finding.advice:
            result = f"; cannot be repaired: {finding.advice}"
        elif repairs:
            result = "; repair failed"
        _print(f"{finding.name}: {len(finding.ids)} {finding.problem}{result}: {shown}")
        is_clean &= finding.is_clean
    return 0 if is_clean else 1


def _check(problems: Sequence[str]) -> int:
    for problem in problems:
        _print(problem)
    if not problems:
        _print("The configuration is valid.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
