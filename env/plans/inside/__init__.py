"""Code that runs inside of the sandbox: recorded models are solved there, so that none can harm the caller's process.

It imports nothing of this project. `env.plans.solver_process` puts the files into the program's folder.
"""
