"""Attached files that cannot be read or sent."""

from __future__ import annotations

from chat.errors.base import Refused


class AttachmentRefused(Refused):
    """The attachments of a message cannot be sent. Raise a subclass."""

    code = "attachment_refused"


class TooManyFiles(AttachmentRefused):
    code = "too_many_files"
    sentence = "{count} files are attached; a message can have at most {limit}. Remove some."

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(count=count, limit=limit)


class ImagesUnsupported(AttachmentRefused):
    code = "cannot_see"
    sentence = (
        "{model} does not support images. Choose another model in the sidebar, or remove the image."
    )

    def __init__(self, model: str) -> None:
        super().__init__(model=model)


class FileRefused(AttachmentRefused):
    """A file cannot be sent. `name` is its sanitized name."""

    code = "file_refused"
    sentence = "“{name}” cannot be attached."

    def __init__(self, name: str, *, details: str = "", **values: object) -> None:
        self.name = name
        super().__init__(None, details=details, name=name, **values)


class FileEmpty(FileRefused):
    code = "file_empty"
    sentence = "“{name}” is empty."


class FileTooLarge(FileRefused):
    code = "file_too_large"
    sentence = "“{name}” has {size}; a file may have at most {limit}."


class UnknownFileType(FileRefused):
    code = "unknown_file_type"
    sentence = (
        "The type of “{name}” is not supported. "
        "Attach an image, a PDF, Word, Excel, CSV, JSON or text file."
    )


class UnreadableFile(FileRefused):
    code = "unreadable_file"
    sentence = "“{name}” cannot be read. It is damaged, or its content does not match its name."


class EncryptedFile(FileRefused):
    code = "encrypted_file"
    sentence = "“{name}” is protected by a password. Save a copy without one and attach that."


class FileTooComplex(FileRefused):
    code = "file_too_complex"
    sentence = "“{name}” takes too much time or memory to read. Attach a smaller part of it."


class ReadersBusy(FileRefused):
    code = "readers_busy"
    sentence = (
        "“{name}” was not read, because many files are being read at the moment. "
        "Try again in a minute, or attach fewer files at a time."
    )


class NoTextInFile(FileRefused):
    code = "no_text_in_file"
    sentence = (
        "“{name}” contains no readable text. It may be a scan. Attach its pages as images instead."
    )


class FileTooLong(FileRefused):
    code = "file_too_long"
    sentence = (
        "“{name}” has about {tokens:,} tokens, but only {room:,} are available. "
        "Send its beginning, or attach a shorter file."
    )


class ImageTooLong(FileRefused):
    code = "image_too_long"
    sentence = (
        "“{name}” takes about {tokens:,} tokens, but only {room:,} are available. "
        "Attach a smaller image."
    )


class NotUploaded(FileRefused):
    code = "not_uploaded"
    sentence = "“{name}” was not uploaded: a file may have at most {limit}."


FILE_CODES = AttachmentRefused.codes()
