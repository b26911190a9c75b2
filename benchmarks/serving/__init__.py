"""Measure the overhead of `storm serve` over its upstream, compared with a pass-through proxy.

    python -m benchmarks.serving
    python -m benchmarks.serving --nano

script          how the upstream responds to a request, encoded in the prompt
upstream        the scripted upstream server
events          JSON bodies and event streams of the scripted upstream
passthrough     the baseline: a proxy that only forwards bytes
wire            minimal HTTP/1.1 for both ends of a benchmark
client          one timed request on its own connection
servers         server processes, pinned to CPU cores, with their CPU time and memory
loads           concurrent requests: plain answers, answers with programs
leaving         clients that disconnect
faults          responses when the upstream fails
hostile         one stream beside hostile clients
nano            throughput of chats with the embedded model, compared with its engine alone
table           medians, and tables of them
"""
