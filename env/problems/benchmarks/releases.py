"""The published files of the test sets and their releases: facts about the files, never their content.

[release.name for release in releases_of("industryor")]      # ["original", "optimind", "sirl", ...]
published("756549264386d9c2...")                             # the release with this file, or None
"""

from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A published release of a test set."""

    benchmark: str
    """Name of the test set."""
    name: str
    """A key of `registry.RELEASE_NAMES`."""
    source: str
    """Repository."""
    licence: str = ""
    """Licence that the repository states; "" if it states none."""
    problems: int
    """Rows, including those without a readable label."""
    file: str = ""
    """Name of the file, or of the folder of problems; "" if it is only on the Hub."""
    sha256: str = ""
    """SHA-256 of the file, or of the folder (`benchmark_files.sha256_of`); "" if it is not known."""
    hub: str = ""
    """Repository on the Hugging Face Hub; "" if it is not published there."""
    split: str = ""
    """Split in that repository; "" if it has only one."""
    mark: str = ""
    """Part of the file's name that tells the release from the original; "" if only the release's name does."""


_ORIGINAL = partial(Release, name="original")
_OPTIMIND = partial(Release, name="optimind", source="github.com/microsoft/OptiGuide", licence="MIT")
_SIRL = partial(Release, name="sirl", source="github.com/Cardinal-Operations/SIRL", mark="fixed")
_LLM4OR = partial(Release, name="llm4or", source="github.com/LLM4OR/LLM4OR")
_LLMOPT = partial(Release, name="llmopt", source="github.com/antgroup/LLMOPT")
_ORTHOUGHT = partial(Release, name="orthought", source="github.com/ZJU-TSELab/ORThought", mark="summary")

RELEASES: tuple[Release, ...] = (
    _ORIGINAL(
        benchmark="nl4opt", file="NL4OPT_with_optimal_solution.json", problems=245,
        source="huggingface.co/datasets/CardinalOperations/NL4OPT", licence="CC-BY-NC-4.0",
        hub="CardinalOperations/NL4OPT", split="test",
        sha256="3ff8bb26595ae65c9a115ea3f578086007e10475e0ef7f508707558058f2d8a2",
    ),
    _SIRL(
        benchmark="nl4opt", file="NL4OPT.jsonl", problems=245,
        sha256="7cf8e6fb097a57d9f647ab7b37d005656cbc6a89f6ba2978a52ed618bfbdb5df", mark="",
    ),
    _LLM4OR(
        benchmark="nl4opt", file="NL4Opt/", problems=214,
        sha256="e53fe6d1c2ebbbe15d9403cf4233a6ac860e953730ac5ad7f7c0fb4d22160193",
    ),
    _LLMOPT(
        benchmark="nl4opt", file="nl4opt_test.jsonl", problems=230,
        sha256="509cd51ea7d509f92610304a83feee7e270fe8350cb3368e38e615faf9c88d27",
    ),
    _ORIGINAL(
        benchmark="mamo_easy", file="mamo_easy_lp.jsonl", problems=652,
        source="github.com/FreedomIntelligence/Mamo", licence="CC-BY-SA-4.0",
        sha256="b37ae7d9fc0b8c39e172d070aed84e600549407886ef970083c0f6cadc2e60a6",
    ),
    _ORIGINAL(
        benchmark="mamo_easy", file="MAMO_EasyLP.json", problems=652,
        source="huggingface.co/datasets/CardinalOperations/MAMO", licence="CC-BY-NC-4.0",
        hub="CardinalOperations/MAMO", split="easy_lp",
        sha256="dd9976d47238d4165a4bebdcaa9d423f4278a5c5ebfae5ee53c2b055c5205046",
    ),
    _SIRL(
        benchmark="mamo_easy", file="MAMO_EasyLP_fixed.jsonl", problems=642,
        sha256="3704621599ff600216f810dd3b118b6ae86a69eb2afa7f386dbea88069657fb7",
    ),
    _LLM4OR(
        benchmark="mamo_easy", file="Mamo_easy_lp_clean.jsonl", problems=545, mark="lpclean",
        sha256="f9e8e4c32022e466c77fcd6d7261e0fc884b4acb0989e6074db24130c012b3a7",
    ),
    _LLMOPT(
        benchmark="mamo_easy", file="mamo_easy_test.jsonl", problems=652,
        sha256="d323f45c9fd7f0a0de995eab7f8353573b731c0f34afa202f5531984bdd97440",
    ),
    _ORIGINAL(
        benchmark="mamo_complex", file="mamo_complex_lp.jsonl", problems=211,
        source="github.com/FreedomIntelligence/Mamo", licence="CC-BY-SA-4.0",
        sha256="07eb3db3d2af099871dfa4425b14887775179c158c38944fe4fe152b615bbfc3",
    ),
    _ORIGINAL(
        benchmark="mamo_complex", file="MAMO_ComplexLP.json", problems=211,
        source="huggingface.co/datasets/CardinalOperations/MAMO", licence="CC-BY-NC-4.0",
        hub="CardinalOperations/MAMO", split="complex_lp",
        sha256="cad5d60e68d9daedf5b711169e808928e7faee33d5bc5275ed5dcb80b2c7639b",
    ),
    _OPTIMIND(
        benchmark="mamo_complex", file="optimind_cleaned_classified_mamo_complex.csv", problems=210,
        sha256="214df853487992f6c76c77f49d48a3f51c060958e635dc35515c0afc6b0947f8",
    ),
    _SIRL(
        benchmark="mamo_complex", file="MAMO_ComplexLP_fixed.jsonl", problems=203,
        sha256="0fe155db0ddb62ab82cdf270f2966afae9f46a512b1c02f6d8a9233f5d3f33c7",
    ),
    _LLM4OR(
        benchmark="mamo_complex", file="Mamo_complex_lp_clean.jsonl", problems=111, mark="lpclean",
        sha256="28e10dff1146ff635673293b5730abb3d7efa2f7bbe91de60fe67b729dfe7a0d",
    ),
    _LLMOPT(
        benchmark="mamo_complex", file="mamo_complex_test.jsonl", problems=211,
        sha256="1e584774cedb471912f80d2cbcad8363ef973c9d325660e8335bee6253d1246b",
    ),
    _ORIGINAL(
        benchmark="industryor", file="IndustryOR.json", problems=100,
        source="huggingface.co/datasets/CardinalOperations/IndustryOR", licence="CC-BY-NC-4.0",
        hub="CardinalOperations/IndustryOR", split="test",
        sha256="86fd364c87eb26c6584f59ff5b2fae52d269d2937c7b9c2e2a2b4ab1d9387c3c",
    ),
    _OPTIMIND(
        benchmark="industryor", file="optimind_cleaned_classified_industryor.csv", problems=99,
        sha256="fd80b3061e13edc040a7ff395f4f664fd761ad26b651e5dc8dcbbd7d3a48b427",
    ),
    _SIRL(
        benchmark="industryor", file="IndustryOR_fixedV2.json", problems=100,
        sha256="756549264386d9c28f3bf15b442e4d45e345f809155f7c7951c9b7edfd25ee8b",
    ),
    _LLM4OR(
        benchmark="industryor", file="IndustryOR.jsonl", problems=42,
        sha256="d7c2c05377ade5bc6a401ebf3075f0e00fa91068439761e5b46fa3045ffc19b5",
    ),
    _LLMOPT(
        benchmark="industryor", file="industryor.jsonl", problems=100,
        sha256="89b636ce5f9db97c22612a529b43273887648ff6c9b067d244357aec45c20d95",
    ),
    _ORTHOUGHT(
        benchmark="industryor", file="summary_industryor.json", problems=83,
        sha256="3044a83b87efbe71ee9e2882d236d859fdc0c62d1f6c0f21d7ac75dca6808326",
    ),
    _ORIGINAL(
        benchmark="optmath", file="OptMATH_Bench.json", problems=166,
        source="github.com/optsuite/OptMATH", licence="Apache-2.0",
        sha256="c5dbc2bf14995b880d13e306ff54ae81b603f07b565a31e52248533848ad3a93",
    ),
    _OPTIMIND(
        benchmark="optmath", file="optimind_cleaned_classified_optmath.csv", problems=130,
        sha256="a03c8a92ee594b1eb62b10638c1902f9636940e052c17b5b8bcc00858eb2f515",
    ),
    _SIRL(
        benchmark="optmath", file="OptMATH_Bench_166.jsonl", problems=166, mark="",
        sha256="d773290dcdd21044c1fbed487dd3df44e50ca5550b41c8124fce5d1559efbc2a",
    ),
    _LLMOPT(
        benchmark="optmath", file="optmath_bench.jsonl", problems=166,
        sha256="8e8717a394188b9578aab73e680dbe4334ee99a3844d2a14c9ffb31ea96836da",
    ),
    _ORIGINAL(
        benchmark="nlp4lp", problems=269, source="huggingface.co/datasets/udell-lab/NLP4LP",
        licence="CC-BY-NC-SA-4.0", hub="udell-lab/NLP4LP", split="test",
    ),
    _ORIGINAL(
        benchmark="nlp4lp", file="NLP4LP/", problems=269, source="github.com/LLM4OR/LLM4OR",
        sha256="179c01c795755f9e8eea210cdb4384532a3832988e09df841df22b6b5d34ea08",
    ),
    _LLM4OR(
        benchmark="nlp4lp", file="NL4LP/", problems=178, mark="nl4lp",
        sha256="089234925aaf10bb70ad377f7cb2fcab07a97c4b7c1bd64c5e17080cf1b9ea52",
    ),
    _LLMOPT(
        benchmark="nlp4lp", file="nlp4lp.jsonl", problems=242,
        sha256="3afb7493afb2a1c12131c416fdf43ba7e70ddd0afdddc34669e8432888676192",
    ),
    _ORTHOUGHT(
        benchmark="nlp4lp", file="summary_nlp4lp.json", problems=264,
        sha256="83327c162a79a6bec84787faaa39f7939f8fa994b90ecb256f3bcc90dc73533a",
    ),
    _ORIGINAL(
        benchmark="complexor", file="ComplexOR/", problems=18, source="github.com/xzymustbexzy/Chain-of-Experts",
        sha256="11af79761a25a83c8d5891fc215ca0563c7d171b4cc4cca1545ab13e2a2ef84e",
    ),
    _LLMOPT(
        benchmark="complexor", file="complexor.jsonl", problems=18,
        sha256="281c331f057db6d245705a3ae10dd77424fbe7b805dfcb7e4dbbcac234df5720",
    ),
    _ORTHOUGHT(
        benchmark="complexor", file="summary_complexor.json", problems=18,
        sha256="b3f4713cc631a77141d1d3378abb8bec02fb508fc9dcbf08421e198a3717b0cc",
    ),
    _ORIGINAL(
        benchmark="optibench", file="OptiBench.json", problems=605,
        source="github.com/yangzhch6/ReSocratic", licence="Apache-2.0",
        sha256="0378fab2065e084563913340bc4cff6818a891dc06c5adc83452b40fbd18e85b",
    ),
    _SIRL(
        benchmark="optibench", file="OptiBench.jsonl", problems=605, mark="",
        sha256="1652b89ba6e3f08b4c67662ea1c8534170577e6f32e486df28befaa0d742174e",
    ),
    _LLM4OR(
        benchmark="optibench", file="ReSocratic.jsonl", problems=403, mark="resocratic",
        sha256="eaa71af0be1c13597cbdf5f0fd00b99e60376a39117f915d2f5fc9b942765540",
    ),
    _LLMOPT(
        benchmark="optibench", file="optibench.jsonl", problems=605,
        sha256="f48ea6fdb1d0c72d3358d81d309118dba81754e9273e2e1c36f7b076d3b7efe9",
    ),
    _ORIGINAL(
        benchmark="bwor", file="BWOR.json", problems=82, source="github.com/bwz96sco/or_llm_agent", hub="SJTU/BWOR",
        sha256="a7559b069cf448888242eb3a0fa1cecc9c4d373bd94a94bdff7983daabf339aa",
    ),
    _ORIGINAL(
        benchmark="logior", file="summary_logior.json", problems=92, source="github.com/ZJU-TSELab/ORThought",
        sha256="4786fdde8efad29ce290d862352e726583282003200f58e4ce19b22c9044e4f1",
    ),
    _ORIGINAL(
        benchmark="logior", file="logior.jsonl", problems=92, source="huggingface.co/datasets/LabMem012/LogiOR",
        licence="CC-BY-4.0", hub="LabMem012/LogiOR",
    ),
    _ORIGINAL(
        benchmark="miplib_nl", file="dataset/", problems=223, source="github.com/optsuite/MIPLIB-NL",
        licence="CC-BY-SA-4.0",
    ),
    _ORIGINAL(
        benchmark="or_space_build", file="Workspace_OR/ and evaluation/", problems=100,
        source="github.com/0xzhouchenyu/OR-Space", licence="CC-BY-NC-4.0",
    ),
    _ORIGINAL(
        benchmark="or_space_revise", file="Workspace_OR/ and evaluation/", problems=100,
        source="github.com/0xzhouchenyu/OR-Space", licence="CC-BY-NC-4.0",
    ),
    _ORIGINAL(
        benchmark="or_space_explain", file="Workspace_OR/ and evaluation/", problems=100,
        source="github.com/0xzhouchenyu/OR-Space", licence="CC-BY-NC-4.0",
    ),
    _ORIGINAL(
        benchmark="dcp_bench", file="dataset/ or dcp-bench-open.jsonl", problems=164,
        source="github.com/DCP-Bench/DCP-Bench-Open", licence="Apache-2.0",
    ),
)  # fmt: skip
"""The published files, by test set. A release can be in several files with the same labels."""


def releases_of(benchmark: str) -> tuple[Release, ...]:
    """Return the published files of a test set, the original first."""
    return tuple(release for release in RELEASES if release.benchmark == benchmark)


def published(sha256: str) -> Release | None:
    """Return the release whose published file has this SHA-256, or None."""
    return next((release for release in RELEASES if sha256 and release.sha256 == sha256), None)
