"""Conversations as bytes for the database."""

from hypothesis import given
from hypothesis import strategies as st

from storm_calm.serving.api.stored_responses import Conversation
from storm_calm.serving.postgres.conversation_bytes import pack, unpack

# Also half surrogate pairs and NUL, which a model server can send.
TEXTS = st.text(st.characters(codec=None))


@given(TEXTS, st.dictionaries(st.text(), st.binary()))
def test_any_text_and_any_file_are_restored(text, files):
    conversation = Conversation(messages=({"role": "user", "content": text},), files=files)
    assert unpack(pack(conversation)) == conversation


def test_half_of_a_surrogate_pair_is_restored():
    conversation = Conversation(messages=({"role": "assistant", "content": "\ud800 \x00"},), files={})
    assert unpack(pack(conversation)) == conversation
