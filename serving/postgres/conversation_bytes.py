"""Conversations as bytes: messages and files as compressed JSON."""

import base64
import json
import zlib

from storm_calm.serving.api.stored_responses import Conversation

FASTEST = 1


def pack(conversation: Conversation) -> bytes:
    files = {name: base64.b64encode(content).decode() for name, content in conversation.files.items()}
    data = {"messages": conversation.messages, "files": files}
    # orjson rejects half surrogate pairs, which a model server can send.
    return zlib.compress(json.dumps(data).encode(), FASTEST)


def unpack(data: bytes) -> Conversation:
    found = json.loads(zlib.decompress(data))
    files = {name: base64.b64decode(content) for name, content in found["files"].items()}
    return Conversation(messages=tuple(found["messages"]), files=files)
