"""Reader processes are shared fairly among owners, and waiting for one ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from chat.attachments.reader_slots import FULL_SECONDS, MIN_SECONDS, NoFreeSlot, ReaderSlots
from chat.attachments.reading import FileReader
from chat.attachments.token_cost import AttachmentPricer
from chat.config.settings import Settings
from chat.domain.attachment import File
from chat.errors import ReadersBusy
from chat.providers.tokenizer import Tokenizer

TABLE = File("mine.csv", b"a,b\n1,2\n")


class Reads:
    """Reads in threads of their own that end when the test says so, in order of their start."""

    def __init__(self, slots: ReaderSlots) -> None:
        self.slots = slots
        self.started: list[str] = []
        self.seconds: list[float] = []
        self._ends: dict[str, threading.Event] = {}
        self._changed = threading.Condition()
        self._pool = ThreadPoolExecutor(40)
        self._futures: list[Future[None]] = []

    def begin(self, owner: str, name: str, file: str = "", *, is_waiting: bool) -> None:
        """Ask for a slot; return once the read has started, or once it waits."""
        before = self.slots.waiting()
        self._ends[name] = threading.Event()
        self._futures.append(self._pool.submit(self._read, owner, name, file or name))
        if is_waiting:
            wait_until(lambda: self.slots.waiting() > before)
        else:
            self.wait_for(name)

    def end(self, name: str) -> None:
        self._ends[name].set()

    def wait_for(self, name: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: name in self.started, 10), self.started

    def close(self) -> None:
        for end in self._ends.values():
            end.set()
        self._pool.shutdown()
        for future in self._futures:
            future.result()

    def _read(self, owner: str, name: str, file: str) -> None:
        with self.slots.hold(owner, file) as seconds:
            with self._changed:
                self.started.append(name)
                self.seconds.append(seconds)
                self._changed.notify_all()
            assert self._ends[name].wait(20)


def wait_until(is_true: Callable[[], bool]) -> None:
    changed = threading.Event()
    for _ in range(2_000):
        if is_true():
            return
        changed.wait(0.005)
    pytest.fail("timed out")


@pytest.fixture
def reads() -> Iterator[Reads]:
    reads = Reads(ReaderSlots())
    yield reads
    reads.close()


@contextmanager
def all_slots_taken(slots: ReaderSlots) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, file in (("ann", 1), ("ann", 2), ("bob", 3)):
            stack.enter_context(slots.hold(owner, file))
        yield


@pytest.mark.parametrize("files", [2, 3, 12, 30])
def test_slot_is_free_for_other_owners_however_many_files_one_has(reads: Reads, files: int) -> None:
    for number in range(files):
        reads.begin("ann", f"ann {number}", is_waiting=number >= 2)
    reads.begin("bob", "bob 0", is_waiting=False)
    assert sorted(reads.started) == ["ann 0", "ann 1", "bob 0"]


def test_owners_take_turns_in_order_of_arrival(reads: Reads) -> None:
    for owner, number in (("ann", 0), ("ann", 1), ("bob", 0)):
        reads.begin(owner, f"{owner} {number}", is_waiting=False)
    waiting = [("ann", 2), ("ann", 3), ("ann", 4), ("bob", 1), ("cat", 0), ("cat", 1), ("dan", 0)]
    for owner, number in waiting:
        reads.begin(owner, f"{owner} {number}", is_waiting=True)
    ends = ["ann 0", "bob 0"]  # one slot is kept busy by the second file of Ann
    for number in range(len(waiting)):
        reads.end(ends[0] if number == 0 else reads.started[-1])
        wait_until(lambda number=number: len(reads.started) > 3 + number)  # type: ignore[misc]
    assert reads.started[3:] == ["ann 2", "bob 1", "cat 0", "dan 0", "ann 3", "cat 1", "ann 4"]


def test_files_of_one_owner_are_read_in_order_of_arrival(reads: Reads) -> None:
    names = [f"ann {number}" for number in range(6)]
    for number, name in enumerate(names):
        reads.begin("ann", name, is_waiting=number >= 2)
    for name in names:
        reads.wait_for(name)
        reads.end(name)
    assert reads.started == names


def test_newcomers_do_not_delay_an_owner_with_several_files(reads: Reads) -> None:
    for owner, number in (("ann", 0), ("ann", 1), ("bob", 0)):
        reads.begin(owner, f"{owner} {number}", is_waiting=False)
    reads.begin("bob", "bob 1", is_waiting=True)
    reads.begin("bob", "bob 2", is_waiting=True)
    reads.end("bob 0")
    reads.wait_for("bob 1")
    for number in range(5):
        reads.begin(f"new {number}", f"new {number}", is_waiting=True)
    reads.end("bob 1")
    reads.wait_for("bob 2")


def test_same_file_is_read_by_one_process_at_a_time(reads: Reads) -> None:
    reads.begin("ann", "first", file="shared", is_waiting=False)
    reads.begin("bob", "second", file="shared", is_waiting=True)
    reads.begin("bob", "other", is_waiting=False)  # is not held up
    reads.end("first")
    reads.wait_for("second")


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ([], FULL_SECONDS),
        (["bob"], FULL_SECONDS),
        (["bob", "cat", "dan"], FULL_SECONDS),
        (["ann"], FULL_SECONDS / 2),
        (["ann"] * 3, FULL_SECONDS / 4),
        (["ann"] * 11, MIN_SECONDS),
        ([f"owner {number}" for number in range(6)], FULL_SECONDS / 2),
        ([f"owner {number}" for number in range(30)], MIN_SECONDS),
    ],
)
def test_reader_has_less_time_the_more_files_wait(
    reads: Reads, waiting: list[str], expected: float
) -> None:
    for number, owner in enumerate(("ann", "ann", "eve")):
        reads.begin(owner, f"busy {number}", is_waiting=False)
    reads.begin("ann", "asked", is_waiting=True)
    for number, owner in enumerate(waiting):
        reads.begin(owner, f"waits {number}", is_waiting=True)
    reads.end("busy 0")
    reads.wait_for("asked")
    assert reads.seconds[reads.started.index("asked")] == expected


def test_waiting_ends_after_a_limit_and_leaves_the_queue() -> None:
    slots = ReaderSlots(max_wait=0)
    with all_slots_taken(slots):
        with pytest.raises(NoFreeSlot), slots.hold("cat", 4):
            pytest.fail("there was no slot")
        assert slots.waiting() == 0
    with slots.hold("cat", 4) as seconds:
        assert seconds == FULL_SECONDS


def test_patient_caller_waits_until_a_slot_is_free() -> None:
    slots = ReaderSlots(max_wait=0)
    waits = threading.Event()
    with ThreadPoolExecutor(1) as pool:

        def read() -> float:
            with slots.hold("cat", 4, waits.set, is_patient=True) as seconds:
                return seconds

        with all_slots_taken(slots):
            found = pool.submit(read)
            assert waits.wait(10)
            assert not found.done()
        assert found.result(10) == FULL_SECONDS


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_waiting_can_be_cancelled(error: type[BaseException]) -> None:
    def cancel() -> None:
        raise error

    slots = ReaderSlots()
    with all_slots_taken(slots):
        with pytest.raises(error), slots.hold("cat", 4, cancel):
            pytest.fail("there was no slot")
        assert slots.waiting() == 0


def test_file_that_was_not_read_in_time_is_named_in_a_sentence() -> None:
    settings, slots = Settings(values={}), ReaderSlots(max_wait=0)
    reader = FileReader(settings, slots)
    pricer = AttachmentPricer(settings, Tokenizer(), reader)
    with all_slots_taken(slots):
        (cost,) = pricer.price([TABLE], 1_000, "cat")
        assert cost.problem == ReadersBusy(TABLE.name).sentence
        assert "“mine.csv” was not read" in cost.problem
        with pytest.raises(ReadersBusy):
            pricer.attach([TABLE], 1_000, "cat")
    (cost,) = pricer.price([TABLE], 1_000, "cat")
    assert cost.problem == "", "the refusal was cached"


def test_table_is_read_while_another_owner_has_many_slow_files() -> None:
    slots = ReaderSlots()
    reader = FileReader(Settings(values={}), slots)
    with ThreadPoolExecutor(10) as pool, slots.hold("ann", 1), slots.hold("ann", 2):
        more = [
            pool.submit(reader.read, File(f"{number}.txt", b"%d" % number), "ann")
            for number in range(10)
        ]
        wait_until(lambda: slots.waiting() == 10)
        assert reader.read(TABLE, "bob").details == "1 row"
        assert not any(read.done() for read in more)
