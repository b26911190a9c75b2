"""Program text that several cases share."""

NAMED = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(15, TOKEN.encode(), 0, 0, 0)
"""
"""Names the process and its forks after the case's token. For informed programs."""

ATTEMPT = """
def attempt(name, action):
    try: result = action()
    except Exception as error: print("refused:", name, type(error).__name__, error)
    else: print("done:", name, repr(result)[:60])
import atexit
atexit.register(print, "end", flush=True)
"""
"""`attempt(name, action)` tries an action and prints the result. The last line of a program that exits is "end"."""

SEARCH = '''
import hashlib, os, stat, sys, sysconfig, time

mark = "-".join(MARK_PIECES).encode()
# A secret of this program: a search that does not find this one is not valid.
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
                # Overlap the chunks, so that a secret across their border is found.
                start += len(data) if start + len(data) >= end else max(1, len(data) - 64)

def walk(top, seconds, without=()):
    """Search all files under `top` until the time is over."""
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

def print_findings():
    for what in leaks(): print("done: found", what)
    print("refused: all the rest")
'''
"""A search for secrets by their mark and the digests of the text after it. For informed programs, after `ATTEMPT`.

The program does not contain the secrets, so it cannot find them in its own memory or text.
"""

REQUIRE_CONTROL = "if not any(what.startswith('control') for what in found): sys.exit('the control was not found')\n"
"""Ends the program if the search did not find its own control. For use after `SEARCH`."""
