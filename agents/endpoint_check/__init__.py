"""Check within a minute whether a model server is fit for this project.

    report = check_endpoint("http://localhost:8000/v1")
    report.checks, report.command

`probes` has the single checks, and `check_endpoint` runs them in their order. The command is `storm doctor --reasoner`.
"""

from storm_calm.agents.endpoint_check.check_endpoint import EndpointReport, check_endpoint
from storm_calm.agents.endpoint_check.probes import Check

__all__ = ["Check", "EndpointReport", "check_endpoint"]
