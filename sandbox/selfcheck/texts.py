"""Pieces of programs that several cases share."""

NAMED = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(15, TOKEN.encode(), 0, 0, 0)
"""
"""Gives the process, and all that it forks, the case's token as its name. For informed programs."""

ATTEMPT = """
def attempt(name, action):
    try: result = action()
    except Exception as error: print("refused:", name, type(error).__name__, error)
    else: print("done:", name, repr(result)[:60])
import atexit
atexit.register(print, "end", flush=True)
"""
"""`attempt(name, action)` tries something and tells; the last line of a program that tried all is "end"."""

SEARCH = '''
import hashlib, os, stat, sys, sysconfig, time

mark = "-".join(MARK_PIECES).encode()
# One secret of its own, made here: a search that does not even find this one says nothing.
control = bytearray(mark + os.urandom(16).hex().encode())
digests = {**DIGESTS, hashlib.sha256(control[len(mark):]).hexdigest(): "control"}
found = set()

def look(data, where):
    begin = data.find(mark)
    while begin >= 0:
        secret = data[begin + len(mark) : begin + len(mark) + 32]
        what = digests.get(hashlib.sha256(secret).hexdigest())
        if what: found.add(f"{what} (in {where})")
        begin = data.find(mark, begin + 1)

def look_into_file(path, most=1 << 16):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try: look(os.read(fd, most), path)
        finally: os.close(fd)
    except OSError: pass

def look_into_memory(pid):
    try:
        with open(f"/proc/{pid}/maps") as file: maps = file.readlines()
        memory = open(f"/proc/{pid}/mem", "rb", 0)
    except OSError: return
    with memory:
        for line in maps:
            bounds, rights = line.split()[:2]
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            if "r" not in rights or "[v" in line: continue
            while start < end:
                try:
                    memory.seek(start)
                    data = memory.read(min(1 << 22, end - start))
                except (OSError, ValueError, OverflowError): break
                if not data: break
                look(data, f"memory of process {pid}")
                # Those that lie across two pieces are in the second one whole.
                start += len(data) if start + len(data) >= end else max(1, len(data) - 64)

def walk(top, seconds, without=()):
    """Look into all files under `top`, as far as there is time."""
    deadline = time.monotonic() + seconds
    for folder, names, files in os.walk(top):
        names[:] = sorted(n for n in names if os.path.realpath(os.path.join(folder, n)) not in without)
        for name in files:
            path = os.path.join(folder, name)
            try:
                if stat.S_ISREG(os.stat(path).st_mode): look_into_file(path)
            except OSError: pass
        if time.monotonic() > deadline: return

def leaks():
    return sorted(what for what in found if not what.startswith("control"))

def tell():
    for what in leaks(): print("done: found", what)
    print("refused: all the rest")
'''
"""A search for secrets that does not know them: it looks for their mark, and compares digests of what follows it.

So nothing that it holds, its own text included, can be taken for a find. For informed programs, after `ATTEMPT`.
"""
