"""Puzzles that reduce to matchings or cuts: lines that cover marks, dominoes, nested boxes."""

import itertools
import random

from storm_calm.env.problem import AnswerKey
from storm_calm.env.problems.families.wording import Wording
from storm_calm.env.problems.stress.draft import Draft, drafted
from storm_calm.env.problems.stress.methods import largest_flow, subsets

FIELDS = (
    ("A laser", "spots of rust on a plate", "burns off"),
    ("A robot", "weeds in a field", "pulls up"),
    ("A drone", "sensors in a hall", "reads"),
)


def covering_lines(rng: random.Random, say: Wording) -> Draft | None:
    """Draw marks in a grid to cover by rows and columns at least cost: a cut in a bipartite graph (Koenig)."""
    rows, columns = rng.randint(4, 7), rng.randint(4, 7)
    cells = [(i, j) for i in range(rows) for j in range(columns)]
    marks = [list(cell) for cell in sorted(rng.sample(cells, rng.randint(rows + 2, 2 * rows + 2)))]
    by_row, by_column = ([rng.randint(5, 30) for _ in range(size)] for size in (rows, columns))
    # The rows determine the columns of the remaining marks.
    best = min(
        sum(by_row[i] for i in taken) + sum(by_column[j] for j in {j for i, j in marks if i not in taken})
        for taken in subsets(range(rows))
    )
    only_rows = sum(by_row[i] for i in {i for i, _ in marks})
    if best == only_rows or best == sum(by_column[j] for j in {j for _, j in marks}):
        return None
    who, things, does = say.one_of(*FIELDS)
    question = say.text(
        f"{who} {does} {things}. In a grid of {rows} rows and {columns} columns they sit at (row, column) "
        f"{', '.join(f'({i + 1}, {j + 1})' for i, j in marks)}.",
        "One pass goes along a whole row or a whole column and takes everything in it.",
        f"A pass costs {say.amounts(by_row)} for rows 1 to {rows}, and {say.amounts(by_column)} for columns 1 to "
        f"{columns}.",
        say.one_of("What does it cost at least to take them all?", "What is the minimum total cost of reaching all?"),
    )

    def confirm() -> AnswerKey:
        ends = [(0, i + 1, c) for i, c in enumerate(by_row)] + [(rows + j + 1, 99, c) for j, c in enumerate(by_column)]
        return largest_flow(ends + [(i + 1, rows + j + 1, 10**6) for i, j in marks], 0, 99)

    listed = [[i + 1, j + 1] for i, j in marks]
    return drafted("lines", question, best, confirm, marks=listed, rows=by_row, columns=by_column)


TILES = (
    ("Dominoes", "board", "domino"),
    ("Bricks of two cells", "floor", "brick"),
    ("Beds of two plots", "garden", "bed"),
)


def dominoes(rng: random.Random, say: Wording) -> Draft | None:
    """Draw a board with holes for as many dominoes as possible: a matching."""
    rows, columns = rng.randint(4, 6), rng.randint(4, 6)
    cells = [(i, j) for i in range(1, rows + 1) for j in range(1, columns + 1)]
    holes = [list(hole) for hole in sorted(rng.sample(cells, rng.randint(5, 9)))]
    price = rng.randint(3, 19)
    left = [cell for cell in cells if list(cell) not in holes]
    most = _most_dominoes(rows, columns, {(i, j) for i, j in left})
    dark = sum((i + j) % 2 for i, j in left)
    if most == min(dark, len(left) - dark) or most == len(left) // 2:
        return None  # Counting cells, or cells by color, must not give the answer.
    tiles, board, tile = say.one_of(*TILES)
    question = say.text(
        f"{tiles} are laid on a {board} of {rows} rows and {columns} columns, each over two cells that share a side.",
        f"These cells (row, column) are blocked: {', '.join(f'({i}, {j})' for i, j in holes)}.",
        f"No two may overlap, and each {tile} that is laid earns {say.money(price)}.",
        say.one_of("What is the most that can be earned?", "How much can be earned at most?"),
    )

    def confirm() -> AnswerKey:
        number = {cell: n for n, cell in enumerate(left, start=1)}
        arcs = [(0, number[i, j], 1) if (i + j) % 2 else (number[i, j], 99, 1) for i, j in left]
        for i, j in left:
            near = ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1))
            arcs += [(number[i, j], number[cell], 1) for cell in near if (i + j) % 2 and cell in number]
        return price * largest_flow(arcs, 0, 99)

    return drafted("dominoes", question, most * price, confirm, size=[rows, columns], holes=holes, price=price)


def _most_dominoes(rows: int, columns: int, left: set[tuple[int, int]]) -> int:
    """Dynamic program over the cells; a state is the set of later cells already taken."""
    best = {frozenset[tuple[int, int]](): 0}
    for cell in itertools.product(range(1, rows + 1), range(1, columns + 1)):
        found: dict[frozenset[tuple[int, int]], int] = {}
        for taken, laid in best.items():
            options = [(taken - {cell}, laid)]
            if cell in left and cell not in taken:
                for other in ((cell[0], cell[1] + 1), (cell[0] + 1, cell[1])):
                    if other in left and other not in taken:
                        options.append((taken | {other}, laid + 1))
            for state, value in options:
                found[state] = max(value, found.get(state, 0))
        best = found
    return max(best.values())


CASES = (("boxes", "box"), ("crates", "crate"), ("bowls", "bowl"))


def boxes(rng: random.Random, say: Wording) -> Draft | None:
    """Draw boxes to nest in the fewest stacks: chains, as many as the largest antichain (Dilworth)."""
    count, price = rng.randint(7, 11), rng.randint(11, 80)
    sizes = [[rng.randint(10, 60), rng.randint(10, 60)] for _ in range(count)]
    fits = [[a[0] < b[0] and a[1] < b[1] for b in sizes] for a in sizes]
    fewest = max(
        len(group)
        for group in subsets(range(count), smallest=1)
        if not any(fits[i][j] or fits[j][i] for i, j in itertools.combinations(group, 2))
    )
    if fewest in (1, count, _first_fit(sizes)):
        return None
    things, thing = say.one_of(*CASES)
    question = say.text(
        f"A shop stores {count} {things} of these widths and heights in cm: "
        f"{', '.join(f'{w} x {h}' for w, h in sizes)}.",
        f"A {thing} goes into another one if both its width and its height are smaller; they are not turned.",
        f"Each {thing} holds at most one {thing} directly, which may itself hold one, and so on.",
        f"Each {thing} that is in no other one takes a place on the shelf, at {say.money(price)} a month.",
        say.one_of("What is the minimum monthly cost?", "How little can the shelf cost in a month?"),
    )

    def confirm() -> AnswerKey:
        arcs = [(0, i + 1, 1) for i in range(count)] + [(count + i + 1, 99, 1) for i in range(count)]
        arcs += [(i + 1, count + j + 1, 1) for i in range(count) for j in range(count) if fits[i][j]]
        return price * (count - largest_flow(arcs, 0, 99))

    return drafted("boxes", question, fewest * price, confirm, sizes=sizes, price=price)


def _first_fit(sizes: list[list[int]]) -> int:
    """Return the number of stacks if each box, the widest first, goes into the first stack that fits."""
    inner: list[list[int]] = []
    for box in sorted(sizes, reverse=True):
        place = next((n for n, other in enumerate(inner) if box[0] < other[0] and box[1] < other[1]), None)
        if place is None:
            inner.append(box)
        else:
            inner[place] = box
    return len(inner)
