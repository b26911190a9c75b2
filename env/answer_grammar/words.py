"""Tables of words that decide how an answer is read: statuses, scales, currencies, units, and words that refuse it.

Phrases are written in a small notation: words separated by spaces; `word*` has any ending; `[a|b]` may occur any number
of times or not at all; `#` is the number, `=` a relation. Words are compared without case and accents. Chinese,
Japanese and Korean phrases are found anywhere, since there words are joined.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

Phrases = Mapping[str, str]
"""Phrases by language (ISO 639-1; "xx" for all), separated by commas."""


def names(text: str) -> frozenset[str]:
    """Return the words of `text`."""
    return frozenset(text.split())


INFEASIBLE: Phrases = {
    "en": (
        "infeasible, infeasibility, unfeasible, nonfeasible, non feasible, not feasible, unsatisfiable, no "
        "[feasible|integer|binary|valid|possible|admissible|real] solution, no best solution, no "
        "[feasible|integer|binary|valid|possible|admissible|real] solutions, no feasible [integer] plan, "
        "no feasible [integer] point, no feasible [integer] schedule, no feasible [integer] assignment, no "
        "feasible region, no feasible [integer|production] allocation, no feasible production plan, no feasible "
        "combination, not have [a|any|feasible|integer|valid] solution, not have [any|feasible|integer|valid] "
        "solutions, no plan satisfies, no assignment satisfies, no combination satisfies, feasible region is empty, "
        "feasible set is empty, empty feasible region, empty feasible set, constraints are [mutually] inconsistent, "
        "inconsistent constraints, constraints are [mutually] contradictory, contradictory constraints, constraints "
        "cannot [all] be satisfied"
    ),
    "es": (
        "infactible*, inviable*, no [es|son] factible*, no [es|son] viable*, sin [ninguna] solucion [factible], "
        "sin soluciones [factibles], no [tiene|hay|existe|admite|ninguna] solucion [factible], no "
        "[tiene|hay|existen] soluciones [factibles]"
    ),
    "fr": (
        "infaisable*, irrealisable*, non realisable*, non faisable*, est pas realisable*, est pas faisable*, pas "
        "de solution [realisable|admissible], n a pas de solution [realisable|admissible], aucune solution "
        "[realisable|admissible], sans solution [realisable|admissible]"
    ),
    "de": (
        "unzulassig*, unlosbar*, unerfullbar*, infeasibel, nicht losbar, nicht zulassig, nicht erfullbar, keine "
        "[zulassige|gultige|mogliche|machbare] losung, keine [zulassigen|gultigen|moglichen|machbaren] losungen"
    ),
    "pt": (
        "inviavel, inviaveis, infactivel, infactiveis, nao [e|sao] viavel, nao [e|sao] factivel, sem [nenhuma] "
        "solucao [viavel|factivel], nao [tem|ha|existe|possui|admite|nenhuma] solucao [viavel|factivel]"
    ),
    "it": (
        "inammissibile, infattibile, irrealizzabile, non [e] ammissibile, non [e] fattibile, non [e] realizzabile, "
        "nessuna soluzione [ammissibile|fattibile], senza soluzione, senza soluzioni, non "
        "[ha|esiste|ammette|esistono|c|e|una|alcuna] soluzione [ammissibile|fattibile], non [ha|esistono|ci|sono] "
        "soluzioni [ammissibili|fattibili]"
    ),
    "ru": (
        "неразрешим*, недопустим*, несовместн*, невыполним*, не [имеет|имеют|существует|допустимых|допустимого] "
        "решени*, нет [допустимых|допустимого] решени*, решени* нет, решени* не существует"
    ),
    "zh": "无可行解, 無可行解, 没有可行解, 沒有可行解, 不存在可行解, 无解, 無解, 没有解, 不存在解, 解不存在, 不可行",
    "ja": (
        "実行不可能, 実行不能, 実行可能解なし, 実行可能解は存在しない, 実行可能解が存在しない, "
        "実行可能解は存在しません, 実行可能解が存在しません, 解は存在しない, 解が存在しない, "
        "解は存在しません, "
        "実行可能解は存在しません, 実行可能解が存在しません, 解は存在しない, 解が存在しない, "
        "解は存在しません, "
        "解が存在しません, 解なし, 解がない"
    ),
}

UNBOUNDED: Phrases = {
    "en": "unbounded, unboundedness, not bounded",
    "es": "ilimitad*, no [esta|es] acotad*, no [esta|es] limitad*",
    "fr": "illimite*, non borne*, est pas borne*",
    "de": "unbeschrankt*, unbegrenzt*, nicht beschrankt",
    "pt": "ilimitad*, nao [e|esta] limitad*",
    "it": "illimitat*, non [e] limitat*",
    "ru": "неограничен*, не ограничен*",
    "zh": "无界, 無界, 无上界, 無上界, 无下界, 無下界",
    "ja": "非有界, 有界でない, 有界ではない, 有界ではありません",
}

INFINITE: Phrases = {
    "en": "infinity, infinite, inf, unlimited",
    "es": "infinito",
    "fr": "infini",
    "de": "unendlich",
    "ru": "бесконечность, бесконечности",
    "zh": "正无穷大, 负无穷大, 无穷大, 正无穷, 负无穷, 无穷, 無窮大, 无限大, 無限大",
    "ja": "無限大",
}
"""Words for an unbounded objective, and in other company for many solutions: see `INFINITE_COMPANY`."""

INFINITE_COMPANY = names(
    "( ) = a an answer approaches at be can cost function goes is its maximum max minimum min minus negative "
    "objective optimal optimum plus positive problem profit revenue tends the to total value z float np numpy "
    "math el la valor objetivo es le la valeur est der die wert ist o a valor il valore e"
)
"""The only words, besides names of one letter, that may accompany a word of `INFINITE`."""

EITHER_STATUS: Phrases = {
    "en": (
        "no [finite] optimum, no [finite] optimal solution, no [finite] optimal value, no finite solution, no [finite] "
        "maximum, no [finite] minimum, not possible, not solvable, not exist, cannot be solved, none, n a"
    ),
    "zh": "无最优解, 没有最优解, 无有限最优解",
}
"""Phrases that are true of both statuses, and say nothing new beside one."""

NOT_THE_PROBLEM: Phrases = {
    "en": "dual, relax*, locally, subproblem*",
    "es": "relajacion",
    "fr": "duale",
    "de": "duale*",
    "ru": "двойственн*",
}
"""A status of these is not the status of the problem."""

NOT_THE_OBJECTIVE: Phrases = {
    "en": "region*, set, domain, polyhedr*, polytope, variable*, solutions",
    "es": "region*, conjunto, dominio, variables, soluciones",
    "fr": "domaine, ensemble",
    "de": "bereich*, menge*, losungen",
    "pt": "regiao, conjunto, variaveis, solucoes",
    "it": "regione, insieme, dominio, variabili, soluzioni",
    "ru": "област*, множеств*, решений",
}
"""If these are unbounded, the objective may be bounded; many solutions (`solutions`) are not an unbounded objective."""

STATUS_COMPANY = re.compile(
    "线性|整数|混合|非线性|规划|优化|最优化|最优值|最优解|最优|目标|函数|问题|模型|答案|结果|状态|约束|该|該|此|本"
    "|这个|这|原|因此|所以|故|線形|計画|最適化|最適|問題|答え|モデル|この|です|である|結果|状態|的|是|为|為|值|解|は|が|で|の"
)
"""Chinese and Japanese text that may surround a status. Other text may change it: 无解释 is "no explanation"."""

DOUBTS: Phrases = {
    "en": (
        "not, never, no, non, none, neither, nor, cannot, or, if, unless, whether, but, maybe, perhaps, possibly, "
        "probably, likely, might, may, could, however, although, unsure, uncertain, unknown, unclear, "
        "undetermined, undefined, unlikely, guess*, think, believe, assum*, suppos*, except, wrong, incorrect*, false, "
        "error*, fail*, impossible, suboptimal*, time limit, timeout*, timed out, yet, so far, nan, null, n a"
    ),
    "es": "no, nunca, ni, quizas, tal vez, si",
    "fr": "pas, jamais, aucun*, ni, ou, peut etre",
    "de": "nicht, kein*, nie, niemals, oder, vielleicht, falls, wenn, weder",
    "pt": "nao, nunca, nem, ou, talvez, caso",
    "it": "non, mai, nessun*, oppure, forse",
    "ru": "не, нет, ни, или, возможно, если",
    "zh": "不, 非, 没, 沒, 无, 無, 未, 否, 或, 如果, 若, 可能, 也许",
    "ja": "ない, なし, ません, または, もし, かもしれ",
    "ko": "아니, 아닌, 않, 없, 또는, 혹은, 아마, 만약",
}
"""Negations, alternatives, conditions and guesses: what they accompany is not an answer."""

BOUNDS: Phrases = {
    "en": (
        "at least, at most, than, up to, upto, exceed*, between, range*, bound*, nearly, almost, over #, under #, "
        "above #, below #, beyond #, within #, until #, from #, ub, # plus, # more, # less, # fewer, # too, # "
        "minimum, # maximum, # upwards, # and over, # and above, # and up, # and more, # and below, # and under, # "
        "and less"
    ),
    "es": (
        "al menos, por lo menos, como minimo, como maximo, a lo sumo, mas de, menos de, mayor que, menor que, "
        "mayor o igual, menor o igual, hasta, entre, casi"
    ),
    "fr": "au moins, au plus, plus de, moins de, superieur*, inferieur*, jusqu*, entre, presque",
    "de": (
        "mindestens, hochstens, mehr als, weniger als, grosser als, großer als, kleiner als, uber #, unter #, bis, "
        "zwischen, fast #"
    ),
    "pt": "pelo menos, no minimo, no maximo, mais de, menos de, maior que, menor que, ate #, entre, quase",
    "it": "almeno, al massimo, al piu, piu di, meno di, maggiore di, minore di, fino, tra, fra, quasi",
    "ru": "более, менее, больше, меньше, минимум #, максимум #, от #, до #, между, почти",
    "zh": (
        "至少, 至多, 最多, 最少, 超过, 超出, 以上, 以下, 大于, 小于, 多于, 少于, 高于, 低于, 等于或, 之间, "
        "接近, 将近, 几乎, 范围, 以内, 之内, 上界, 下界, 上限, 下限, # 多, # 余"
    ),
    "ja": "少なくとも, 以上, 以下, 未満, 高々, より, まで, から, の間, 超",
    "ko": "이상, 이하, 미만, 초과, 최소 #, 최대 #, 적어도, 까지, 에서 #, 사이",
}
"""Inequalities and ranges in words."""

OTHER_NUMBERS: Phrases = {
    "en": (
        "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, "
        "sixteen, seventeen, eighteen, nineteen, twenty, thirty, forty, fifty, sixty, seventy, eighty, ninety, "
        "hundred*, thousand*, million*, billion*, trillion*, half, halves, and a quarter, and a third, dozen*, "
        "twice, double, minus, negative, plus #, squared, cubed, factorial, root, sqrt, log #, ln #, exp #, # pi, "
        "divided, multiplied, binary, hex, hexadecimal, octal, option #, choice #, case #, scenario #, step #, "
        "question #, problem #, exercise #, iteration #, # mill, # thou, # grand, # cr, # crs, # mm usd, relaxation*, "
        "status #, status = #, code #, code = #, # am, # pm, # o clock, # st, # nd, # rd, # th"
    ),
    "hi": "lakh*, lac, lacs, crore*",
    "es": "mil, millon*, billon*, menos #",
    "fr": "mille, millier*, milliard*, moins #",
    "de": "hundert*, tausend*, tsd, mio, mrd, teur, minus #",
    "pt": "mil, milhao, milhoes, milhar*, bilh*",
    "it": "mila, milion*, miliard*, meno #",
    "ru": "тыс*, млн, млрд, миллион*, миллиард*, минус",
    "uk": "тис, тисяч*, мільйон*, мільярд*, мінус",
    "pl": "tys, tysiec*, miliard*, mld",
    "nl": "duizend*, miljoen*, miljard*",
    "sv": "tusen*, miljon*",
    "cs": "tisic*",
    "tr": "# bin tl, # bin lira, milyon*, milyar*, eksi #",
    "vi": "# nghin, # ngan, # trieu, # ty, am #",
    "id": "ribu*, juta*, miliar*",
    "ar": "ألف, الف, آلاف, مليون*, مليار*",
    "ko": "# 십, # 백, # 천, # 만, # 억, # 조, 마이너스",
    "zh": "负 #, 负的 #, 負 #, 第 #",
    "ja": "マイナス, 第 #",
    "xx": "mln, mn, tn",
}
"""Numbers and parts of numbers in words, other scales, labels, and times of the day. All may change the value."""

SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "bn": 9}
"""Decimal exponent of the words that may follow a number, also with a final s."""

MONEY_LETTERS = {"k": 3, "K": 3, "m": 6, "M": 6, "b": 9, "B": 9}
"""Scales beside a currency: `$850k`, `850 k€`."""

BARE_LETTERS = {"k": 3, "K": 3, "M": 6}
"""Scales without a currency, only directly after the digits: `850k`. With a space they may be units."""

UNIT_LETTERS = frozenset("mgtlLhsdWVNJмгтлчср")
"""Letters that are read as a unit after a number; other letters are names of variables, except Korean ones."""

SCALE_PREFIXES = ("k", "K", "m", "M", "b", "B", "mm", "MM")
"""Beside a currency, but not directly after the number, they may be its scale: `M$ 5`, `profit (k€)`."""

NOT_MONEY_UNITS = frozenset(["mm", "MM", "t", "T", "mt", "Mt", "L"])
"""Words after an amount of money that may be a scale: not read."""

CJK_SCALES = {
    "万亿": 12,
    "萬億": 12,
    "亿": 8,
    "億": 8,
    "千万": 7,
    "千萬": 7,
    "百万": 6,
    "百萬": 6,
    "万": 4,
    "萬": 4,
    "千": 3,
    "百": 2,
}
"""Decimal exponent of the characters that may follow a number, longest first."""

CJK_UNITS = ("千克", "千米", "千瓦", "千卡", "千焦", "千伏")
"""Units that begin like a scale."""

LINKING_LETTERS = names("é è")
"""Words of one letter that may precede a number: "is" in Portuguese and Italian."""

SUPERSCRIPT_UNITS = names("m2 m3 cm2 cm3 km2 mm2 mm3 dm2 dm3 ft2 ft3 in2")

CURRENCY_WORDS = names(
    "usd eur gbp cny rmb jpy inr chf cad aud nzd sgd hkd krw brl mxn zar rub sek nok dkk pln czk huf rs dollar "
    "dollars euro euros pound pounds sterling yuan yen rupee rupees franc francs peso pesos"
)

_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")  # With Korean, whose words take endings.


def fold(word: str) -> str:
    """Return `word` in lower case and without accents; Japanese voicing marks stay."""
    decomposed = unicodedata.normalize("NFKD", word.lower())
    kept = (char for char in decomposed if not unicodedata.combining(char) or char in "\u3099\u309a")
    return unicodedata.normalize("NFC", "".join(kept))


def pattern(*tables: Phrases) -> re.Pattern[str]:
    """Return an expression that finds any phrase of the tables in folded words that are separated by spaces."""
    phrases = {fold(phrase) for table in tables for group in table.values() for phrase in group.split(", ")}
    # The longest first: of "no solution" and "no" the first must be found.
    return re.compile("|".join(_expression(phrase) for phrase in sorted(phrases, key=len, reverse=True)))


def _expression(phrase: str) -> str:
    if _CJK.search(phrase):
        return re.escape(phrase)
    return r"(?<!\S)" + "".join(_words(phrase.split())) + r"(?!\S)"


def _words(parts: Iterable[str]) -> Iterable[str]:
    space = ""
    for part in parts:
        if part.startswith("["):
            yield rf"(?:{space}(?:{'|'.join(map(re.escape, part[1:-1].split('|')))}))*"
        elif part.endswith("*"):
            yield rf"{space}{re.escape(part[:-1])}\S*"
        else:
            yield space + re.escape(part)
        space = " "
