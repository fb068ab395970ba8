"""Encodings of text files: those that a file may be read in, with the names that people know."""

from __future__ import annotations

# Python's name of each encoding: its common name, and what it is for.
TEXT_ENCODINGS: dict[str, tuple[str, str]] = {
    "utf-8": ("UTF-8", "Unicode"),
    "utf-16-le": ("UTF-16", "Unicode, little-endian"),
    "utf-16-be": ("UTF-16", "Unicode, big-endian"),
    "cp1252": ("Windows-1252", "Western European"),
    "cp1250": ("Windows-1250", "Central European"),
    "cp1251": ("Windows-1251", "Cyrillic"),
    "cp1253": ("Windows-1253", "Greek"),
    "cp1254": ("Windows-1254", "Turkish"),
    "cp1255": ("Windows-1255", "Hebrew"),
    "cp1256": ("Windows-1256", "Arabic"),
    "cp1257": ("Windows-1257", "Baltic"),
    "cp1258": ("Windows-1258", "Vietnamese"),
    "cp874": ("Windows-874", "Thai"),
    "gb18030": ("GBK", "Simplified Chinese"),
    "big5hkscs": ("Big5", "Traditional Chinese"),
    "cp932": ("Shift-JIS", "Japanese"),
    "euc_jis_2004": ("EUC-JP", "Japanese"),
    "cp949": ("EUC-KR", "Korean"),
    "koi8-r": ("KOI8-R", "Russian"),
    "koi8-u": ("KOI8-U", "Ukrainian"),
    "iso8859-2": ("ISO 8859-2", "Central European"),
    "iso8859-5": ("ISO 8859-5", "Cyrillic"),
    "iso8859-15": ("ISO 8859-15", "Western European"),
    "mac-roman": ("Mac Roman", "Western European"),
    "mac-latin2": ("Mac Latin 2", "Central European"),
    "mac-cyrillic": ("Mac Cyrillic", "Cyrillic"),
    "mac-greek": ("Mac Greek", "Greek"),
    "mac-turkish": ("Mac Turkish", "Turkish"),
    "cp437": ("DOS 437", "Western European"),
    "cp850": ("DOS 850", "Western European"),
    "cp852": ("DOS 852", "Central European"),
    "cp866": ("DOS 866", "Cyrillic"),
    "cp737": ("DOS 737", "Greek"),
    "cp857": ("DOS 857", "Turkish"),
    "cp862": ("DOS 862", "Hebrew"),
    "cp720": ("DOS 720", "Arabic"),
}


def encoding_label(encoding: str) -> str:
    """Return a label such as "GBK (Simplified Chinese)"."""
    name, use = TEXT_ENCODINGS[encoding]
    return f"{name} ({use})"
