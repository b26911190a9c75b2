"""The fork server: a process that has the libraries loaded, and forks for every program.

    main        from the process's start to its loop
    preload     loading a family of libraries, and making forks cheap
    server      the loop: fork, watch, end, tell
    child       from a child's birth to its program's first line
    program     running a text as `main.py`
    supervisor      a session: states, and the blocks that run on them
    course      how a block is getting on
    member      one process of a session
    block       running one block, and staying as a state
    scratch     a session's files, remembered and restored
    apply_isolation     the three isolation levels, and which of them this machine allows
    namespaces  a machine of its own for each program
    landlock    what files it may touch
    seccomp     what system calls it may make
    supervisor  orphans, where there are no namespaces
    folders     what they leave behind
    processes   families of processes and their memory
    kernel      the system calls themselves

It runs nothing but Python and the kernel: no bwrap, no docker, no program set up beforehand.
"""
