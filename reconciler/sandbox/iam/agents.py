"""Service agents: the accounts in whose name Google's own services work in a project.

Some are there as soon as their API is enabled, with a role in the project's policy; others come when somebody asks
(Service Usage, generateServiceIdentity). Source: "Service agents" of Google's IAM documentation; the roles are those
that recorded policies of real projects show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from reconciler.sandbox.iam.identities import subject_of
from reconciler.sandbox.iam.policies import Policies
from reconciler.sandbox.projects import Projects
from reconciler.sandbox.store import Store

KIND: Final = "serviceusage.identity"
"""By "PROJECT/SERVICE": {"email"}, what was generated."""
SUFFIX: Final = ".googleapis.com"


@dataclass(frozen=True)
class Agent:
    """One API's agent. *address* is an e-mail with N for the project's number."""

    address: str
    role: str = ""
    """What it is granted on the project when it is made; "" for nothing."""
    at_once: bool = False
    """Whether enabling the API makes it."""


def _agent(name: str, role: str = "", *, at_once: bool = False) -> Agent:
    return Agent(f"service-N@{name}.iam.gserviceaccount.com", role and f"roles/{role}", at_once)


AGENTS: Final[dict[str, Agent]] = {
    "aiplatform": _agent("gcp-sa-aiplatform", "aiplatform.serviceAgent"),
    "artifactregistry": _agent("gcp-sa-artifactregistry", "artifactregistry.serviceAgent", at_once=True),
    "bigquery": Agent("bq-N@bigquery-encryption.iam.gserviceaccount.com"),
    "cloudbuild": _agent("gcp-sa-cloudbuild", "cloudbuild.serviceAgent", at_once=True),
    "cloudfunctions": _agent("gcf-admin-robot", "cloudfunctions.serviceAgent", at_once=True),
    "cloudscheduler": _agent("gcp-sa-cloudscheduler", "cloudscheduler.serviceAgent", at_once=True),
    "composer": _agent("cloudcomposer-accounts", "composer.serviceAgent", at_once=True),
    "compute": _agent("compute-system", "compute.serviceAgent", at_once=True),
    "container": _agent("container-engine-robot", "container.serviceAgent", at_once=True),
    "containerregistry": _agent("containerregistry", "containerregistry.ServiceAgent", at_once=True),
    "dataflow": _agent("dataflow-service-producer-prod", "dataflow.serviceAgent", at_once=True),
    "dataproc": _agent("dataproc-accounts", "dataproc.serviceAgent", at_once=True),
    "eventarc": _agent("gcp-sa-eventarc", "eventarc.serviceAgent"),
    "iap": _agent("gcp-sa-iap"),
    "monitoring": _agent("gcp-sa-monitoring-notification", "monitoring.notificationServiceAgent"),
    "pubsub": _agent("gcp-sa-pubsub", "pubsub.serviceAgent", at_once=True),
    "run": _agent("serverless-robot-prod", "run.serviceAgent", at_once=True),
    "secretmanager": _agent("gcp-sa-secretmanager"),
    "servicenetworking": _agent("service-networking", "servicenetworking.serviceAgent"),
    "sqladmin": _agent("gcp-sa-cloud-sql", "cloudsql.serviceAgent"),
    "storage": _agent("gs-project-accounts"),
    "vpcaccess": _agent("gcp-sa-vpcaccess", "vpcaccess.serviceAgent", at_once=True),
    "workflows": _agent("gcp-sa-workflows", "workflows.serviceAgent"),
}
"""Agents that are watched: policies may name them only when they were made. Others are taken on trust."""
WITHOUT: Final = frozenset(
    {
        "cloudapis", "cloudresourcemanager", "cloudtrace", "compute", "iam", "iamcredentials", "oslogin",
        "servicemanagement", "serviceusage", "sql-component", "storage-api", "storage-component", "sts",
    }
)  # fmt: skip
"""APIs for which generateServiceIdentity names nobody: recorded of compute, whose agent it does not tell."""
_NUMBERED: Final = re.compile(r"(?P<before>[a-z-]+-)(?P<number>\d+)(?P<after>@.+)")


def agent_of(service: str) -> Agent:
    """The agent of a service ("run.googleapis.com")."""
    api = service.removesuffix(SUFFIX)
    return AGENTS.get(api) or _agent(f"gcp-sa-{api}")


def address_of(agent: Agent, number: str) -> str:
    """Its e-mail in the project with *number*."""
    return agent.address.replace("-N@", f"-{number}@")


def welcome(policies: Policies, project_id: str, number: str, service: str) -> None:
    """What Google does in the project when *service* is enabled: its agent gets its role."""
    agent = AGENTS.get(service.removesuffix(SUFFIX))
    resource = f"projects/{project_id}"
    if agent is not None and agent.at_once and agent.role:
        policies.add(resource, agent.role, f"serviceAccount:{address_of(agent, number)}")
    if service == f"compute{SUFFIX}":
        member = f"serviceAccount:{number}@cloudservices.gserviceaccount.com"
        policies.add(resource, "roles/editor", member)


def generate(store: Store, policies: Policies, project_id: str, number: str, service: str) -> tuple[str, str]:
    """(e-mail, unique id) of the agent of *service*, made now where it was not there; ("", "") where it has none."""
    if service.removesuffix(SUFFIX) in WITHOUT:
        return "", ""
    agent = agent_of(service)
    email = address_of(agent, number)
    with store.transaction():
        store.put(KIND, f"{project_id}/{service}", {"email": email})
        if agent.role:
            policies.add(f"projects/{project_id}", agent.role, f"serviceAccount:{email}")
    return email, subject_of(email)


def at_work(store: Store, policies: Policies, project_id: str, number: str, service: str) -> str:
    """The member in whose name *service* works in a project; made, with its role, when it has its first work there."""
    if not generated(store, project_id, service) and not agent_of(service).at_once:
        generate(store, policies, project_id, number, service)
    return f"serviceAccount:{address_of(agent_of(service), number)}"


def exists(store: Store, projects: Projects, email: str) -> bool:
    """Whether an account of Google's may be named. Those of other projects, and those not watched here, are."""
    found = _NUMBERED.fullmatch(email)
    project = projects.get(found["number"]) if found is not None else None
    owners = owners_of(email)
    if project is None or not owners:
        return True
    return any(_made(store, projects, project.project_id, service) for service in owners)


def owners_of(email: str) -> list[str]:
    """The services whose watched agent *email* is, in whatever project."""
    found = _NUMBERED.fullmatch(email)
    address = f"{found['before']}N{found['after']}" if found is not None else email
    return [f"{api}{SUFFIX}" for api, agent in AGENTS.items() if agent.address == address]


def _made(store: Store, projects: Projects, project_id: str, service: str) -> bool:
    if generated(store, project_id, service):
        return True
    return agent_of(service).at_once and projects.enabled(project_id, service)


def generated(store: Store, project_id: str, service: str) -> bool:
    """Whether somebody asked for the agent of *service* in a project, or it had work to do there."""
    return store.get(KIND, f"{project_id}/{service}") is not None
