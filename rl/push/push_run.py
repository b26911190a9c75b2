"""Upload the files of a run to a data set on the Hugging Face Hub, in one commit.

The token comes from the environment (`HF_TOKEN`) or from the hub's own login, and is only passed to the hub's client.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.runs.run_folder import stored_settings
from storm_calm.rl.push.dataset_card import MARK, dataset_card, read_figures
from storm_calm.rl.push.upload_files import UploadFile, check_no_secrets, upload_files

CARD = "README.md"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_TOKEN = re.compile(r"hf_[A-Za-z0-9]+")


class PushError(Exception):
    """The hub is unreachable, or refuses the upload. Nothing was changed, or only an empty data set was created."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PushPlan:
    """What a push would upload."""

    repo: str
    """The data set, as owner/name."""
    private: bool
    files: tuple[UploadFile, ...]
    card: str
    """The text of its README.md."""
    run_id: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def plan_push(run: Path, repo: str, *, private: bool) -> PushPlan:
    """Return what a push of a run folder would upload, without contacting the hub.

    Raises ValueError for an invalid repo, for a folder without records, and for a file that contains a secret.
    """
    if not _REPO.fullmatch(repo):
        raise ValueError(f"--repo: {repo!r} is not OWNER/NAME, such as ada/first-run")
    if not run.is_dir():
        raise ValueError(f"{run}: {'not a folder' if run.exists() else 'no such folder'}; give a run folder")
    settings = stored_settings(run)
    if settings is None:
        raise ValueError(
            f"{run}: not a run folder, config.toml is missing; give the --out of storm curate or storm eval"
        )
    files = upload_files(run)
    for file in files:
        check_no_secrets(file)
    # The same run after a --resume or on another machine is the same data set.
    identity = "|".join(
        str(settings.get(name)) for name in ("problems_digest", "reasoner", "intervener", "seed", "shard")
    )
    run_id = hashlib.sha256(identity.encode()).hexdigest()[:16]
    card = dataset_card(repo.partition("/")[2], run_id, files, settings, read_figures(run))
    card = card.replace("OWNER/", f"{repo.partition('/')[0]}/")
    return PushPlan(repo=repo, private=private, files=files, card=card, run_id=run_id)


def push(plan: PushPlan, *, on_message: Callable[[str], None] = lambda _: None) -> str:
    """Create the data set if it does not exist, and upload all files in one commit. Returns its URL.

    A data set with other content is left as it is. Raises ValueError for one, and if no token is set; PushError if the
    hub cannot be reached or refuses. After an error the same call continues: files that arrived are not sent again.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors
    except ImportError as error:
        fix = "pip install 'storm-calm[hub]'"
        raise ValueError(f"pushing needs the huggingface_hub package ({error}); {fix}") from error
    api = hub.HfApi(library_name="storm-calm")
    if hub.get_token() is None:
        raise ValueError("no token of the hub; set HF_TOKEN, or log in with: hf auth login")
    try:
        url = api.create_repo(plan.repo, repo_type="dataset", private=plan.private, exist_ok=True)
        _check_content(api, plan)
        on_message(f"uploading {len(plan.files)} files")
        operations = [hub.CommitOperationAdd(path_in_repo=CARD, path_or_fileobj=plan.card.encode())]
        operations += [hub.CommitOperationAdd(path_in_repo=one.name, path_or_fileobj=one.path) for one in plan.files]
        api.create_commit(plan.repo, operations, repo_type="dataset", commit_message="Upload by storm push")
    except errors.HfHubHTTPError as error:
        raise PushError(f"{plan.repo}: {_reason(error)}") from None
    except OSError as error:
        raise PushError(f"{plan.repo}: {_without_token(error)}") from None
    except Exception as error:
        # Errors of the transport below the hub's client: httpx, or its Rust library.
        if type(error).__module__.split(".")[0] in ("httpx", "httpcore", "hf_xet") or isinstance(error, RuntimeError):
            raise PushError(f"{plan.repo}: the hub cannot be reached: {_without_token(error)}") from None
        raise
    return str(url)


def _check_content(api: Any, plan: PushPlan) -> None:
    """Raise ValueError if the data set has files, but not of this run, or if its visibility is another one."""
    info = api.dataset_info(plan.repo)
    if bool(info.private) != plan.private:
        now, wanted = ("private", "public") if info.private else ("public", "private")
        raise ValueError(f"{plan.repo}: exists and is {now}, not {wanted}; give --{now}, or choose another --repo")
    names = {one.rfilename for one in info.siblings or ()} - {".gitattributes"}
    if not names:
        return
    with tempfile.TemporaryDirectory() as folder:
        card = ""
        if CARD in names:
            place = api.hf_hub_download(plan.repo, CARD, repo_type="dataset", local_dir=folder)
            card = Path(place).read_text(encoding="utf-8", errors="replace")
    if f"\n{MARK}: {plan.run_id}\n" not in card:
        raise ValueError(f"{plan.repo}: has files that are not of this run; choose another --repo")


def _reason(error: Any) -> str:
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else None
    known = {
        401: "the hub does not accept the token; log in with: hf auth login",
        403: "the token may not write there; use one with write access, or your own name as OWNER",
        413: "a file is too large for the hub",
        429: "the hub limits the rate of requests; wait and start again",
    }
    return (
        known.get(status or 0)
        or f"the hub answered {status}: {_without_token(getattr(error, 'server_message', None) or error)}"
    )


def _without_token(error: object) -> str:
    return _TOKEN.sub("hf_...", " ".join(str(error).split()))[:300]
