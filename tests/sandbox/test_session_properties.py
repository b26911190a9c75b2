"""After any sequence of blocks, failures and rewinds, a session has the same values as a plain dict."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

NAMES = st.sampled_from("abc")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), NAMES, st.integers(0, 99)),
        st.tuples(
            st.just("fail"), NAMES, st.sampled_from(["1 / 0", "import sys; sys.exit(2)", "import os; os._exit(0)"])
        ),
        st.tuples(st.just("thread"), NAMES, st.integers(0, 99)),
        st.tuples(st.just("rewind"), st.floats(0, 1), st.none()),
    ),
    max_size=12,
)
SHOW = "\nimport os\nprint(d, {f: open(f).read() for f in sorted(os.listdir()) if len(f) == 1})"


@given(steps=STEPS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_session_behaves_like_a_dict_with_rewind(sandbox, steps):
    states = [{}]
    with sandbox.session() as session:
        for kind, where, what in [("set", "a", 0), *steps, ("fail", "b", "1 / 0"), ("set", "c", 1)]:
            write = f"d = globals().get('d', {{}})\nd['{where}'] = {what!r}\nopen('{where}', 'w').write({str(what)!r})"
            if kind == "rewind":
                block = round(where * session.blocks)
                session.rewind(block)
                del states[block + 1 :]
            elif kind == "fail":
                assert session.run(f"{write}\n{what}").replayed < 25
                states.append(states[-1])
            else:
                leave = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
                execution = session.run((leave if kind == "thread" else "") + write + SHOW)
                states.append(states[-1] | {where: what})
                files = {name: str(value) for name, value in sorted(states[-1].items())}
                assert execution.stdout == f"{states[-1]} {files}\n", execution.stderr
