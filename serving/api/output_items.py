"""The growing output of a response: items for thoughts, programs and the answer, and their events.

    items = OutputItems()
    for event in items.prose("Let me see."): ...

An event is JSON data without its sequence number. One item is open at a time; text of another kind closes it.
"""

import secrets
from collections.abc import Iterator
from typing import Any

from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Execution

Data = dict[str, Any]


class OutputItems:
    """The items of one response."""

    def __init__(self) -> None:
        self.done: list[Data] = []
        """The finished items."""
        self._item: Data | None = None
        self._text = ""

    def prose(self, text: str) -> Iterator[Data]:
        yield from self._open("reasoning")
        self._text += text
        yield self._event("response.reasoning_text.delta", content_index=0, delta=text)

    def code(self, text: str) -> Iterator[Data]:
        yield from self._open("code_interpreter_call")
        self._text += text
        yield self._event("response.code_interpreter_call_code.delta", delta=text)

    def ran(self, execution: Execution) -> Iterator[Data]:
        yield from self._open("code_interpreter_call")
        assert self._item is not None
        yield self._event("response.code_interpreter_call_code.done", code=execution.code)
        yield self._event("response.code_interpreter_call.interpreting")
        logs = "".join([execution.stdout, execution.stderr])
        self._item |= {
            "status": "completed" if execution.status == "ok" else "failed",
            "code": execution.code,
            "outputs": [{"type": "logs", "logs": logs}],
            "storm": {
                "status": execution.status,
                "wall_seconds": round(execution.wall_seconds, 4),
                "reports": [to_json(report) for report in execution.reports],
            },
        }
        yield self._event("response.code_interpreter_call.completed")
        yield from self._close()

    def answer(self, text: str) -> Iterator[Data]:
        yield from self._open("message")
        self._text += text
        yield self._event("response.output_text.delta", content_index=0, delta=text, logprobs=[])

    def finish(self, *, complete: bool) -> Iterator[Data]:
        """Close the last item. complete: whether the model finished."""
        if self._item is not None and not complete:
            self._item["status"] = "incomplete"
        yield from self._close()

    def _open(self, kind: str) -> Iterator[Data]:
        if self._item is not None and self._item["type"] == kind:
            return
        yield from self._close()
        prefix = {"reasoning": "rs", "code_interpreter_call": "ci", "message": "msg"}[kind]
        item: Data = {"id": f"{prefix}_{secrets.token_hex(12)}", "type": kind, "status": "in_progress"}
        if kind == "reasoning":
            item |= {"summary": [], "content": []}
        elif kind == "message":
            item |= {"role": "assistant", "content": []}
        else:
            item |= {"code": "", "container_id": "storm", "outputs": None}
        self._item, self._text = item, ""
        yield {"type": "response.output_item.added", "output_index": len(self.done), "item": dict(item)}
        if kind == "code_interpreter_call":
            yield self._event("response.code_interpreter_call.in_progress")
        elif kind == "message":
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            yield self._event("response.content_part.added", content_index=0, part=part)

    def _close(self) -> Iterator[Data]:
        item, text = self._item, self._text
        if item is None:
            return
        if item["status"] == "in_progress":
            item["status"] = "completed"
        if item["type"] == "reasoning":
            item["content"] = [{"type": "reasoning_text", "text": text}]
            yield self._event("response.reasoning_text.done", content_index=0, text=text)
        elif item["type"] == "message":
            part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            item["content"] = [part]
            yield self._event("response.output_text.done", content_index=0, text=text, logprobs=[])
            yield self._event("response.content_part.done", content_index=0, part=part)
        elif item["outputs"] is None:  # It never ran.
            item |= {"status": "incomplete", "code": text}
        yield {"type": "response.output_item.done", "output_index": len(self.done), "item": item}
        self.done.append(item)
        self._item = None

    def _event(self, type: str, **fields: Any) -> Data:
        assert self._item is not None
        return {"type": type, "item_id": self._item["id"], "output_index": len(self.done), **fields}
