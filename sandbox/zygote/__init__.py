"""The fork server: a process that has loaded the libraries and forks once for each program.

    startup, preload, server, timeout     the process: isolation, libraries, the loop, limits
    spares, forked_process                its children, some of them forked ahead
    child, program                        a child, from its start to the exit code of the program
    session_*, block, block_monitor       sessions: the supervisor, its states, and their blocks
    scratch_snapshot, remove_folder       the files of programs: saving, restoring, removing
    isolation_levels, best_isolation      the isolation levels, and which of them this machine allows
    namespaces, landlock, seccomp,        the parts of an isolation level
    program_cgroups, subreaper
    kernel, processes, throwaway_child    system calls, process trees and memory, irreversible actions

It needs only Python and the kernel: no bwrap, no docker, no privileged helper program.
"""
