"""Plans: what was solved, examined outside of the program's reach.

record         reading the record of a solve
feasibility    objective and violations of a solution, recomputed
"""
