"""Images of a load balancer, PostgreSQL and Prometheus for the tests, from Debian's packages on this machine.

No image can be pulled in the test environment. These have the paths, users and entry points of the public images that
docker/*.yaml name, as far as the services there depend on them.
"""

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from support.docker_test_engine import Tree, reading_of

POSTGRES = """#!/usr/bin/bash
set -e
if [ ! -s /var/lib/postgresql/data/PG_VERSION ]; then
    export PGDATA=/var/lib/postgresql/data
    initdb -U "$POSTGRES_USER" -A scram-sha-256 --no-sync --pwfile=<(echo "$POSTGRES_PASSWORD")
    echo "host all all all scram-sha-256" >>$PGDATA/pg_hba.conf
    postgres --single postgres <<<"CREATE DATABASE $POSTGRES_DB"
fi
exec postgres -D /var/lib/postgresql/data -h 0.0.0.0 -c shared_buffers=32MB
"""
PASSWD = "root:x:0:0::/:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"


def build_service_images(client, names):
    """Make the images of some services by the names that docker/*.yaml has. names: by the program."""
    _import(client, names["haproxy"], ["haproxy", "/bin/bash", "/bin/sh"], user="nobody")
    bin = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    _import(
        client,
        names["postgres"],
        [*(str(bin / name) for name in ("postgres", "initdb", "pg_isready")), "/bin/bash", "/bin/sh"],
        folders=[f"/usr/share/postgresql/{bin.parent.name}", f"{bin.parent}/lib", "/usr/lib/locale/C.utf8"],
        files={"usr/local/bin/docker-entrypoint.sh": POSTGRES},
        owned="var/lib/postgresql/data",
        user="postgres",
        changes=['ENTRYPOINT ["docker-entrypoint.sh"]', f"ENV PATH=/usr/local/bin:{bin}:/usr/bin:/bin LC_ALL=C.UTF-8"],
    )
    _import(
        client,
        names["prometheus"],
        ["prometheus", "promtool"],
        owned="prometheus",
        user="nobody",
        changes=['ENTRYPOINT ["/usr/bin/prometheus"]', "WORKDIR /prometheus"],
    )


def _import(client, name, programs, *, folders=(), files=None, owned=None, user, changes=()):
    found = [shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") for program in programs]
    for program, path in zip(programs, found, strict=True):
        if path is None:
            pytest.skip(f"no {program} here; apt-get install haproxy postgresql prometheus")

    def fill(tar):
        tree = Tree(tar)
        for path in found:
            tree.add(path)
        for folder in folders:
            tree.add_folder(os.path.realpath(folder))
        tree.add_libraries([os.path.realpath(path) for path in found])
        for folder in ("proc", "sys", "dev", "etc"):
            tree.add_missing_folder(f"/{folder}")
        tree.add_missing_folder("/tmp", mode=0o1777)
        for path, text in {"etc/passwd": PASSWD, **(files or {})}.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(text), 0o755
            tar.addfile(info, io.BytesIO(text.encode()))
        if owned:
            tree.add_missing_folder(f"/{os.path.dirname(owned)}")
            info = tarfile.TarInfo(owned)
            info.type, info.mode = tarfile.DIRTYPE, 0o700
            info.uid = info.gid = 999 if user == "postgres" else 65534
            tar.addfile(info)

    repository, _, tag = name.rpartition(":")
    standard = ["ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/bin", f"USER {user}"]
    with reading_of(fill) as blocks:
        client.api.import_image_from_stream(blocks, repository=repository, tag=tag, changes=[*standard, *changes])
