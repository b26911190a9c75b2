"""The fork server: a process that has the libraries loaded, and forks for every program.

    startup             from the process's start to its loop
    preload             loading an import group, and making forks cheap
    server              the loop: accept, watch, end, report
    spares              forking, and children that are ready ahead
    forked_process      one child, and what it used
    timeout             the limits on time and memory
    child               from a child's birth to its program's first line
    program             running a text as `main.py`
    session_supervisor  a session: the blocks, each on a state
    session_states      its states, and which of them is the newest
    session_process     its processes
    block_monitor       a block from its start to its end
    block               running one block, and staying as a state
    scratch_snapshot    a session's files, remembered and restored
    isolation_levels    what each level does to the fork server and to programs
    best_isolation      which of them this machine allows
    throwaway_child     trying what can't be undone
    namespaces          a machine of its own for each program
    landlock            what files it may touch
    seccomp             what system calls it may make
    program_cgroups     what all its processes use together
    subreaper           orphans, where there are no namespaces
    remove_folder       what they leave behind
    processes           process trees, their times and memory
    kernel              the system calls themselves

It runs nothing but Python and the kernel: no bwrap, no docker, no program set up beforehand.
"""
