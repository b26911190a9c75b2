"""The growing output of a response: items for thoughts, programs and the answer, and their events.

    items = OutputItems("cntr_1")
    for event in items.prose("Let me see."): ...

An event is JSON data without its sequence number. One item is open at a time; text of another kind closes it.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Execution

Data = dict[str, Any]
Kind = Literal["reasoning", "code_interpreter_call", "message", "refusal"]
TYPES: dict[Kind, tuple[str, str]] = {
    "reasoning": ("rs", "reasoning"),
    "code_interpreter_call": ("ci", "code_interpreter_call"),
    "message": ("msg", "message"),
    "refusal": ("msg", "message"),
}
"""The start of IDs and the type of each kind of item."""


class OutputItems:
    """The items of one response."""

    def __init__(self, container: str, *, summary: bool = False) -> None:
        """Begin without items.

        container: the ID of the files of the programs. summary: whether thoughts are sent as the summary of their items
        instead of their content; Codex and others ask for it and show nothing else.
        """
        self.done: list[Data] = []
        """The finished items."""
        self._container, self._summary = container, summary
        self._annotations: list[Data] = []
        self._item: Data | None = None
        self._kind: Kind = "reasoning"
        self._text = ""

    def prose(self, text: str) -> Iterator[Data]:
        yield from self._open("reasoning")
        self._text += text
        if self._summary:
            yield self._event("response.reasoning_summary_text.delta", summary_index=0, delta=text)
        else:
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

    def refusal(self, text: str) -> Iterator[Data]:
        """Add why the answer is missing, as a message."""
        yield from self._open("refusal")
        self._text += text
        yield self._event("response.refusal.delta", content_index=0, delta=text)

    def cite(self, before: str, files: Sequence[tuple[str, str, str]]) -> Iterator[Data]:
        """Add a paragraph of files to the message. files: ID, name, and the name as Markdown."""
        yield from self.answer(before)
        for number, (id, name, shown) in enumerate(files):
            if number:
                yield from self.answer(", ")
            start = len(self._text)
            yield from self.answer(shown)
            annotation = {
                "type": "container_file_citation",
                "container_id": self._container,
                "file_id": id,
                "filename": name,
                "start_index": start,
                "end_index": len(self._text),
            }
            place = {"content_index": 0, "annotation_index": number}
            yield self._event("response.output_text.annotation.added", annotation=annotation, **place)
            self._annotations.append(annotation)

    def finish(self, *, complete: bool) -> Iterator[Data]:
        """Close the last item. complete: whether the model finished."""
        if self._item is not None and not complete:
            self._item["status"] = "incomplete"
        yield from self._close()

    def _open(self, kind: Kind) -> Iterator[Data]:
        if self._item is not None and kind == self._kind:
            return
        yield from self._close()
        prefix, type = TYPES[kind]
        item: Data = {"id": f"{prefix}_{secrets.token_hex(12)}", "type": type, "status": "in_progress"}
        if kind == "reasoning":
            item |= {"summary": [], "content": []}
        elif type == "message":
            item |= {"role": "assistant", "content": []}
        else:
            item |= {"code": "", "container_id": self._container, "outputs": None}
        self._item, self._kind, self._text, self._annotations = item, kind, "", []
        yield {"type": "response.output_item.added", "output_index": len(self.done), "item": dict(item)}
        if kind == "code_interpreter_call":
            yield self._event("response.code_interpreter_call.in_progress")
        elif kind == "reasoning" and self._summary:
            part = {"type": "summary_text", "text": ""}
            yield self._event("response.reasoning_summary_part.added", summary_index=0, part=part)
        elif type == "message":
            yield self._event("response.content_part.added", content_index=0, part=self._part())

    def _close(self) -> Iterator[Data]:
        item, text = self._item, self._text
        if item is None:
            return
        if item["status"] == "in_progress":
            item["status"] = "completed"
        if item["type"] == "reasoning" and self._summary:
            part = {"type": "summary_text", "text": text}
            item["summary"] = [part]
            yield self._event("response.reasoning_summary_text.done", summary_index=0, text=text)
            yield self._event("response.reasoning_summary_part.done", summary_index=0, part=part)
        elif item["type"] == "reasoning":
            item["content"] = [{"type": "reasoning_text", "text": text}]
            yield self._event("response.reasoning_text.done", content_index=0, text=text)
        elif item["type"] == "message":
            part = self._part()
            item["content"] = [part]
            if self._kind == "refusal":
                yield self._event("response.refusal.done", content_index=0, refusal=text)
            else:
                yield self._event("response.output_text.done", content_index=0, text=text, logprobs=[])
            yield self._event("response.content_part.done", content_index=0, part=part)
        elif item["outputs"] is None:  # It never ran.
            item |= {"status": "incomplete", "code": text}
        yield {"type": "response.output_item.done", "output_index": len(self.done), "item": item}
        self.done.append(item)
        self._item = None

    def _part(self) -> Data:
        """Return the content of the open message so far."""
        if self._kind == "refusal":
            return {"type": "refusal", "refusal": self._text}
        return {"type": "output_text", "text": self._text, "annotations": self._annotations, "logprobs": []}

    def _event(self, type: str, **fields: Any) -> Data:
        assert self._item is not None
        return {"type": type, "item_id": self._item["id"], "output_index": len(self.done), **fields}
