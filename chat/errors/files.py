"""Attached files that cannot be read or sent."""

from __future__ import annotations

from chat.errors.base import Refused


class TooManyFiles(Refused):
    code = "too_many_files"

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(
            f"{count} files are attached; at most {limit} can go with one message. Remove some."
        )


class ImagesUnsupported(Refused):
    code = "cannot_see"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"{model} cannot see images. Choose a model that can in the sidebar, "
            "or remove the image."
        )


class FileRefused(Refused):
    """A file that cannot be sent; `name` is its cleaned name."""

    code = "file_refused"
    template = "“{name}” cannot be attached."

    def __init__(self, name: str = "…", *, details: str = "", **values: object) -> None:
        self.name = name
        super().__init__(self.template.format(name=name, **values), details=details)


class FileEmpty(FileRefused):
    code = "file_empty"
    template = "“{name}” is empty: there is nothing to read in it."


class FileTooLarge(FileRefused):
    code = "file_too_large"
    template = "“{name}” has {size}; a file may have at most {limit}."


class UnknownFileType(FileRefused):
    code = "unknown_file_type"
    template = (
        "“{name}” is of a type that cannot be read here. "
        "Attach an image, a PDF, Word, Excel, CSV, JSON or text file."
    )


class UnreadableFile(FileRefused):
    code = "unreadable_file"
    template = "“{name}” cannot be read: it is damaged, or something else than its name says."


class EncryptedFile(FileRefused):
    code = "encrypted_file"
    template = "“{name}” is protected by a password. Save a copy without one and attach that."


class FileTooComplex(FileRefused):
    code = "file_too_complex"
    template = "“{name}” takes too much time or memory to read. Attach a smaller part of it."


class NoTextInFile(FileRefused):
    code = "no_text_in_file"
    template = (
        "“{name}” holds no text that can be read; it may be a scan. "
        "Attach its pages as images instead."
    )


class FileTooLong(FileRefused):
    code = "file_too_long"
    template = (
        "“{name}” has about {tokens:,} tokens, and there is room for {room:,}. "
        "Send its beginning, or attach a shorter file."
    )


class ImageTooLong(FileRefused):
    code = "image_too_long"
    template = (
        "“{name}” takes about {tokens:,} tokens, and there is room for {room:,}. "
        "Attach a smaller image."
    )


class NotUploaded(FileRefused):
    code = "not_uploaded"
    template = "“{name}” was not uploaded: a file may have at most {limit}."


_ABOUT_FILES: list[type[Refused]] = [TooManyFiles, ImagesUnsupported, FileRefused]
FILE_CODES = frozenset(each.code for each in [*_ABOUT_FILES, *FileRefused.__subclasses__()])
