"""Holds all watches of a cluster for a while: each in a thread of its own, written by the thread that calls."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cluster.client import Client
from cluster.decoding import Event
from cluster.pace import Pace
from cluster.resources import Resource
from cluster.watch import Sink, Watching

_WAITING = 32  # calls that may wait for the writer, pages among them
_UNSETTLED = 1.0  # seconds that pass at most without `settle` while there is something to write
_LEAVE = 10.0  # seconds that the threads get to end


@dataclass(slots=True)
class _Call:
    """One call of the sink on its way to the writer; a verb that returns something has its answer awaited."""

    verb: str
    given: tuple[Any, ...]
    answer: Future[Any] | None = None


class Left(Exception):
    """The writer has gone; a thread that still wants to hand something over ends with this."""


@dataclass(slots=True)
class _Desk:
    """What the watches take for the sink: it hands each call over to the writer's thread."""

    calls: queue.Queue[_Call] = field(default_factory=lambda: queue.Queue(_WAITING))
    gone: threading.Event = field(default_factory=threading.Event)

    def resume(self, resource: Resource) -> str:
        """Ask the sink, and wait for its answer."""
        return str(self._ask("resume", resource))

    def begin(self, resource: Resource) -> int:
        """Ask the sink, and wait for its answer."""
        return int(self._ask("begin", resource))

    def page(self, resource: Resource, generation: int, items: Sequence[Any]) -> None:
        """Hand over to the sink."""
        self._put(_Call("page", (resource, generation, items)))

    def listed(self, resource: Resource, generation: int, resource_version: str) -> None:
        """Hand over to the sink."""
        self._put(_Call("listed", (resource, generation, resource_version)))

    def event(self, resource: Resource, event: Event) -> None:
        """Hand over to the sink."""
        self._put(_Call("event", (resource, event)))

    def state(self, resource: Resource, state: str, detail: str) -> None:
        """Hand over to the sink."""
        self._put(_Call("state", (resource, state, detail)))

    def cut(self, resource: Resource) -> None:
        """Hand over to the sink."""
        self._put(_Call("cut", (resource,)))

    def fault(self, error: BaseException) -> None:
        """Have the writer end the turn with an error."""
        self._put(_Call("fault", (error,)))

    def settle(self) -> None:
        """Leave this to the writer."""

    def _ask(self, verb: str, *given: Any) -> Any:
        answer: Future[Any] = Future()
        self._put(_Call(verb, given, answer))
        return answer.result()

    def _put(self, call: _Call) -> None:
        while not self.gone.is_set():
            try:
                self.calls.put(call, timeout=0.5)
            except queue.Full:
                continue
            return
        raise Left


def hold(
    client: Client, resources: Iterable[Resource], sink: Sink, *, seconds: float = 50.0, pace: Pace | None = None,
    stop: threading.Event | None = None, clock: Callable[[], float] = time.monotonic,
) -> None:  # fmt: skip
    """Keep the picture of these resources for some seconds, handing what is seen to the sink in this thread.

    Ends early when `stop` is set; a list that has begun is finished, at most `pace.longest_list` later. Raises what
    the sink raises, after all watches have ended: what was handed over before is the sink's to keep or to roll back,
    and its `resume` says where the next turn begins.
    """
    desk, until, halt = _Desk(), clock() + seconds, threading.Event()
    watches = [Watching(client, one, desk, until=until, stop=halt, pace=pace, clock=clock) for one in resources]
    crew = [threading.Thread(target=_run, args=(one, desk), name=one.resource.name, daemon=True) for one in watches]
    settled = clock()
    for thread in crew:
        thread.start()
    try:
        while any(thread.is_alive() for thread in crew) or not desk.calls.empty():
            if stop and stop.is_set():
                halt.set()
            if halt.is_set() or clock() >= until:
                _interrupt(watches)
            _write(desk, sink, min(0.2, max(0.01, until - clock())))
            if desk.calls.empty() or clock() >= settled + _UNSETTLED:
                sink.settle()
                settled = clock()
    finally:
        halt.set()
        desk.gone.set()
        _end(crew, watches, desk)


def _run(watching: Watching, desk: _Desk) -> None:
    try:
        watching.run()
    except Left:
        return
    except Exception as error:
        with suppress(Left):
            desk.fault(error)


def _write(desk: _Desk, sink: Sink, patience: float) -> None:
    """Do one thing that a watch hands over, waiting at most `patience` seconds for it."""
    try:
        call = desk.calls.get(timeout=patience)
    except queue.Empty:
        return
    _do(call, sink)


def _interrupt(watches: list[Watching]) -> None:
    for one in watches:
        one.interrupt()


def _do(call: _Call, sink: Sink) -> None:
    if call.verb == "fault":
        raise call.given[0]
    answer = getattr(sink, call.verb)(*call.given)
    if call.answer:
        call.answer.set_result(answer)


def _end(crew: list[threading.Thread], watches: list[Watching], desk: _Desk) -> None:
    """See all threads out: those that wait for an answer get none, those that read see the end of their stream."""
    ends = time.monotonic() + _LEAVE
    while any(thread.is_alive() for thread in crew) and time.monotonic() < ends:
        _interrupt(watches)
        while not desk.calls.empty():
            call = desk.calls.get()
            if call.answer:
                call.answer.set_exception(Left())
        for thread in crew:
            thread.join(0.02)
