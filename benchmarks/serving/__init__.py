"""What `storm serve` adds over its upstream, measured beside a client without a server and a bare pass-through.

    python -m benchmarks.serving
    python -m benchmarks.serving --nano

script          what a request has the upstream play, written into its prompt
upstream        the scripted upstream, and events what it sends
passthrough     the baseline: a server that hands bytes on
wire            HTTP/1.1, as far as both ends of a benchmark need it
client          one request on a connection, timed and then read
servers         the processes, each on its core, and what they take
loads           many requests at once: whole answers, answers with programs
leaving         clients that leave
faults          what a client is told when the upstream fails
nano            chats of the embedded model, beside its engine alone
table           medians, and their printing
"""
