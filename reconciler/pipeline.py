"""The pipeline up to the plan, in one call: what `plan`, `apply`, `drift`, `status` and `destroy` have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

from reconciler import errors
from reconciler.expand import expand, let_go, nothing
from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from reconciler.kind import Owner
from reconciler.model import Desired, Observed, Ref
from reconciler.observe import Project, observe
from reconciler.plan import Plan, make_plan
from reconciler.registry import BY_NAME, KINDS, OWNERS
from reconciler.resources import secretmanager_secret, serviceusage_services
from reconciler.server import networks
from reconciler.server.demand import sums
from reconciler.server.naming import Names, names_of
from reconciler.server.prices import monthly_estimate
from reconciler.spec.deployment import Deployment

CENT = 0.01


def survey(cloud: Cloud, deployment: Deployment) -> Plan:
    """The plan that makes Google Cloud what *deployment* says. Reads only."""
    project = _first_round(cloud, deployment)
    names = names_of(deployment, project.number)
    wanted = expand(deployment, names, KINDS, serviceusage_services.ref(names.project))
    wanted, observed = _look(cloud, deployment, names, project, wanted)
    observed |= {
        d.ref: _untold(d) for d in wanted if d.given and BY_NAME[d.ref.kind].api not in project.enabled
    }
    notes = (*sums(deployment), _cost(deployment), *_grants(deployment, project.number))
    return make_plan(
        deployment.name, names.project, deployment.file, names.url, wanted, observed,
        notes=notes, endpoint=cloud.endpoint,
    )  # fmt: skip


def _untold(desired: Desired) -> Observed:
    """What is given, while its API is not enabled: nobody can tell whether it is there."""
    return Observed(desired.ref, {}, busy="its API is enabled first; it must exist then")


def _grants(deployment: Deployment, number: str) -> tuple[str, ...]:
    """What the host project of a Shared VPC has to grant: that is not ours to change."""
    host = deployment.networking.host_project
    if not (deployment.networking.private and host):
        return ()
    who = networks.agents(deployment, number)
    lines = "; ".join(
        f"gcloud projects add-iam-policy-binding {host} --member=serviceAccount:{agent} --role={networks.ROLE}"
        for agent in who
    )
    return (
        f"Whoever administers {host} lets Google's agents of {deployment.project} into its network: {lines}.",
    )


def survey_removal(
    cloud: Cloud, deployment: Deployment, *, delete_data: bool, options: Collection[str] = ()
) -> Plan:
    """The plan that takes *deployment* away; what holds data only with *delete_data*. Reads only.

    *options* name what else goes that would be left to others (`model.Desired.goes_with`).
    """
    project = _first_round(cloud, deployment)
    names = names_of(deployment, project.number)
    wanted = nothing(expand(deployment, names, KINDS, serviceusage_services.ref(names.project)), options)
    wanted, observed = _look(cloud, deployment, names, project, wanted)
    return make_plan(
        deployment.name, names.project, deployment.file, names.url, wanted, observed,
        delete_data=delete_data, endpoint=cloud.endpoint,
    )  # fmt: skip


def _looked_for(wanted: Iterable[Desired], project: Project) -> list[Ref]:
    """What may be there: not the parts of an option that was never on."""
    return [d.ref for d in wanted if d.wanted or d.only_with in project.enabled or not d.only_with]


def _look(
    cloud: Cloud, deployment: Deployment, names: Names, project: Project, wanted: tuple[Desired, ...]
) -> tuple[tuple[Desired, ...], dict[Ref, Observed]]:
    """*wanted* with what carries our label beyond it, to be gone when all else is done; and what is there of it all."""
    owners = [owner for owner in OWNERS if owner.api in project.enabled]
    pool = ThreadPoolExecutor(len(OWNERS), thread_name_prefix="read")
    try:
        found = [pool.submit(_strays, owner, cloud, deployment, names) for owner in owners]
        unwanted = frozenset(
            d.ref
            for d in wanted
            if not d.wanted and BY_NAME[d.ref.kind].api in serviceusage_services.OPTIONAL
        )
        observed = observe(cloud, _looked_for(wanted, project), BY_NAME, project, unwanted)
        strays = tuple(stray for future in found for stray in future.result())
    except KeyboardInterrupt:
        cloud.stopped.set()  # ends every wait before a further attempt
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    observed |= observe(cloud, (stray.ref for stray in strays), BY_NAME, project)
    return let_go(wanted, strays), observed


def _strays(owner: Owner, cloud: Cloud, deployment: Deployment, names: Names) -> tuple[Desired, ...]:
    return retries.persist(
        retries.JUST_ENABLED, lambda: tuple(owner.strays(cloud, deployment, names)), cloud.pause
    )


def _cost(deployment: Deployment) -> str:
    items = monthly_estimate(deployment)
    listed = ", ".join(f"{item} ${usd:.2f}" for item, usd in items if usd >= CENT)
    return f"About ${sum(usd for _, usd in items):.2f} a month while nobody uses it: {listed}."


def _first_round(cloud: Cloud, deployment: Deployment) -> Project:
    """The project; beside that, which secrets there are, so that the second round asks only about those."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="read")
    try:
        ahead = pool.submit(secretmanager_secret.look_ahead, cloud, deployment.name)
        project = look_at_project(cloud)
        ahead.result()
    except KeyboardInterrupt:
        cloud.stopped.set()  # ends every wait before a further attempt
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return project


def look_at_project(cloud: Cloud) -> Project:
    """The project's number and enabled APIs; raises `ProjectMissing`, or `PermissionMissing` where it may be there."""
    try:
        states = serviceusage_services.states(cloud)
    except errors.ProjectMissing as error:
        raise errors.ProjectMissing(
            f"project {cloud.project} does not exist, or is closed to you: {error.message}",
            way_out="Check `project:` in the spec, and with which account you are logged in.",
        ) from error
    except errors.PermissionMissing as error:
        # To a person Google says the same of a project that is not there.
        raise errors.PermissionMissing(
            error.message, way_out=f"If `project:` in the spec is right: {error.way_out}"
        ) from error
    cloud.project_number = serviceusage_services.project_number(cloud)
    enabled = frozenset(str(s["name"]).rsplit("/", 1)[-1] for s in states if s.get("state") == "ENABLED")
    return Project(cloud.project_number, enabled)


def names(cloud: Cloud, deployment: Deployment) -> Names:
    """The deployment's names, project number included."""
    return names_of(deployment, look_at_project(cloud).number)
