"""seccomp: forbid system calls that no parser needs. Linux on x86-64 and ARM64.

A forbidden call fails with EPERM. This covers what Landlock does not, or only in newer versions.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from readers import linux

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_KILL, _ERROR, _ALLOW = 0x80000000, 0x00050000 | errno.EPERM, 0x7FFF0000
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF instructions
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in `struct seccomp_data`
_X32 = 0x40000000  # calls of the x32 interface on x86-64
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Name, number on x86-64, number on ARM64.
_FORBIDDEN: tuple[tuple[str, int | None, int | None], ...] = (
    # New threads, processes and programs.
    ("fork", 57, None),
    ("vfork", 58, None),
    ("clone", 56, 220),
    ("clone3", 435, 435),
    ("execve", 59, 221),
    ("execveat", 322, 281),
    # Signals to other processes.
    ("kill", 62, 129),
    ("tkill", 200, 130),
    ("tgkill", 234, 131),
    ("rt_sigqueueinfo", 129, 138),
    ("rt_tgsigqueueinfo", 297, 240),
    ("pidfd_open", 434, 434),
    ("pidfd_send_signal", 424, 424),
    ("pidfd_getfd", 438, 438),
    # The memory and files of other processes.
    ("ptrace", 101, 117),
    ("process_vm_readv", 310, 270),
    ("process_vm_writev", 311, 271),
    ("process_madvise", 440, 440),
    ("kcmp", 312, 272),
    ("perf_event_open", 298, 241),
    # Connections, and a way around this filter.
    ("socket", 41, 198),
    ("socketpair", 53, 199),
    ("io_uring_setup", 425, 425),
    ("io_uring_enter", 426, 426),
    ("io_uring_register", 427, 427),
    # Permissions and times of files, which Landlock does not cover.
    ("chmod", 90, None),
    ("fchmod", 91, 52),
    ("fchmodat", 268, 53),
    ("fchmodat2", 452, 452),
    ("chown", 92, None),
    ("fchown", 93, 55),
    ("lchown", 94, None),
    ("fchownat", 260, 54),
    ("utime", 132, None),
    ("utimes", 235, None),
    ("futimesat", 261, None),
    ("utimensat", 280, 88),
    ("setxattr", 188, 5),
    ("lsetxattr", 189, 6),
    ("fsetxattr", 190, 7),
    ("removexattr", 197, 14),
    ("lremovexattr", 198, 15),
    ("fremovexattr", 199, 16),
    # Other file systems and namespaces.
    ("open_by_handle_at", 304, 265),
    ("mount", 165, 40),
    ("umount2", 166, 39),
    ("unshare", 272, 97),
    ("setns", 308, 268),
    ("chroot", 161, 51),
    ("pivot_root", 155, 41),
    # Parts of the kernel that parsers do not need.
    ("bpf", 321, 280),
    ("userfaultfd", 323, 282),
    ("keyctl", 250, 219),
    ("add_key", 248, 217),
    ("request_key", 249, 218),
    ("shmget", 29, 194),
    ("msgget", 68, 186),
    ("semget", 64, 190),
    ("mq_open", 240, 180),
)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def restrict() -> None:
    """Forbid the system calls. Raises OSError if this kernel or architecture has no support."""
    machine = os.uname().machine
    if machine not in _ARCHITECTURES or struct.calcsize("P") != 8:
        raise OSError(errno.ENOSYS, f"no system call numbers for {machine}")
    instructions = _instructions(machine)
    program = _Program(len(instructions), b"".join(instructions))
    linux.forbid_new_privileges()
    linux.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(program))


def _instructions(machine: str) -> list[bytes]:
    program = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_IF_EQUAL, _ARCHITECTURES[machine], if_true=1),
        _instruction(_RETURN, _KILL),  # a 32-bit call, with other numbers
        _instruction(_LOAD, _NUMBER),
        _instruction(_IF_AT_LEAST, _X32, if_false=1),
        _instruction(_RETURN, _ERROR),
    ]
    for _, *numbers in _FORBIDDEN:
        number = numbers[list(_ARCHITECTURES).index(machine)]
        if number is not None:
            program += [
                _instruction(_IF_EQUAL, number, if_false=1),
                _instruction(_RETURN, _ERROR),
            ]
    return [*program, _instruction(_RETURN, _ALLOW)]


def _instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return a BPF instruction; the last two are the numbers of instructions to skip."""
    return struct.pack("HBBI", code, if_true, if_false, value)
