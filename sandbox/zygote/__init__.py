"""The fork server: a process that has loaded the libraries and forks once for each program.

    startup, preload      starting the process and loading an import group
    server, timeout       the loop: accept, watch, kill, report
    spares                forking, and children that are prepared ahead
    forked_process        one child and its resource usage
    child, program        from the start of a child to the exit code of its program
    session_*             the supervisor of a session, its states and processes
    block, block_monitor  one block of a session, run and watched
    scratch_snapshot      the files of a session, saved and restored
    *_isolation*, throwaway_child
                          the isolation levels, and which of them this machine allows
    namespaces, landlock, seccomp, program_cgroups, subreaper
                          what the levels are made of
    kernel, processes, remove_folder
                          system calls, process trees and their memory, cleaning up

It needs only Python and the kernel: no bwrap, no docker, no privileged helper program.
"""
