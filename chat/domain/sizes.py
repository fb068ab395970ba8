"""Human-readable sizes."""


def human_size(size: int) -> str:
    """Return a number of bytes in words: "84 kB", "1.2 MB"."""
    if size < 1_000:
        return "1 byte" if size == 1 else f"{size} bytes"
    if size < 999_500:
        return f"{size / 1_000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"
