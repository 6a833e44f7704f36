"""The budget of the project, in the account that pays for it. It sends mails and stops nothing.

Budgets have no labels and no names of ours but the one that people see: that, within the project, finds it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, cast

from reconciler import errors
from reconciler.gcp import fields as flat
from reconciler.gcp import retries
from reconciler.gcp.cloud import Cloud
from reconciler.model import Body, Desired, Json, Observed, Ref
from reconciler.resources import monitoring_notification_channel as channel
from reconciler.server.naming import Names
from reconciler.spec.deployment import Deployment

PAGE: Final = 100
MOST_ADDRESSES: Final = 5
"""That many channels a budget takes, beside the account's own administrators."""
NOTIFICATIONS: Final = "notificationsRule"
ADDRESSES: Final = f"{NOTIFICATIONS}.monitoringNotificationChannels"
UNITS: Final = "amount.specifiedAmount.units"
Live = Mapping[str, Any]


class Budget:
    """`billingbudgets.budget`."""

    name: str = "billingbudgets.budget"
    api: str = "billingbudgets.googleapis.com"
    tells: bool = False

    def desired(self, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """The budget, where the spec names an account."""
        wanted, watched = deployment.budget, deployment.monitoring
        if not wanted.billing_account:
            return
        told = watched.emails[:MOST_ADDRESSES] if watched.enabled else ()
        yield Desired(
            ref(names, wanted.billing_account),
            {
                "displayName": _title(names.name),
                UNITS: wanted.amount,
                "budgetFilter.projects": [f"projects/{names.project_number}"],
                "budgetFilter.calendarPeriod": "MONTH",
                "budgetFilter.creditTypesTreatment": "INCLUDE_ALL_CREDITS",
                "thresholdRules": [f"{percent} %" for percent in sorted(wanted.thresholds)],
                f"{NOTIFICATIONS}.disableDefaultIamRecipients": False,
                ADDRESSES: sorted(told),
            },
            needs=tuple(channel.ref(names, address) for address in told),
            origins={
                "": deployment.origin("budget.billing_account"),
                UNITS: deployment.origin("budget.amount"),
                "thresholdRules": deployment.origin("budget.thresholds"),
                ADDRESSES: deployment.origin("monitoring.emails"),
            },
        )

    def observe(self, cloud: Cloud, ref: Ref) -> Observed | None:
        """The first by its id of those with our name in this project: they do not tell their age."""
        found = _under(cloud, ref)
        return (
            Observed(ref, _shown(cloud, found[0]), version=str(found[0].get("etag", ""))) if found else None
        )

    def strays(self, cloud: Cloud, deployment: Deployment, names: Names) -> Iterable[Desired]:
        """Doubles, and what a spec without a budget, or with another account, has left in the account that pays."""
        wanted = deployment.budget.billing_account
        accounts = {f"billingAccounts/{wanted}"} if wanted else set[str]()
        try:
            accounts.add(_paying(cloud))
            for account in sorted(accounts - {""}):
                ours = [
                    one for one in _budgets(cloud, account) if one.get("displayName") == _title(names.name)
                ]
                kept = 1 if account == f"billingAccounts/{wanted}" else 0
                for one in ours[kept:]:
                    yield Desired(Ref(self.name, str(one["name"])), None)
        except errors.PermissionMissing:
            if wanted:
                raise  # without a budget in the spec, who may not look is taken for somebody who never made one

    def create(self, cloud: Cloud, desired: Desired) -> None:
        """Create it, unless an attempt whose answer was lost has done so."""
        cloud.forget()
        if _under(cloud, desired.ref):
            cloud.note("it exists already")
            return
        parent = "/".join(desired.ref.name.split("/")[:2])
        request = _service(cloud).create(parent=parent, body=_message(cloud, desired.body or {}, {}))
        _explained(cloud, f"creating the budget {desired.ref.short}", request.execute, retries.ONCE)

    def update(self, cloud: Cloud, desired: Desired, observed: Observed, fields: Collection[str]) -> None:
        """PATCH what differs, on the etag observed."""
        live = next(iter(_under(cloud, desired.ref)), None)
        if live is None:
            raise errors.VersionMoved(f"updating the budget {desired.ref.short}: it is gone")
        mask = sorted({field.partition(".")[0] for field in fields})
        whole = _message(cloud, {field: (desired.body or {})[field] for field in fields}, live)
        body = {**{key: whole[key] for key in mask}, "etag": observed.version}
        request = _service(cloud).patch(name=live["name"], updateMask=",".join(mask), body=body)
        _explained(cloud, f"updating the budget {desired.ref.short}", request.execute)

    def delete(self, cloud: Cloud, ref: Ref) -> None:
        """Delete it; nobody is told any more."""
        for one in _under(cloud, ref):
            request = _service(cloud).delete(name=one["name"])
            cloud.found(f"deleting the budget {ref.short}", request.execute)


def ref(names: Names, account: str) -> Ref:
    """The deployment's budget in *account*."""
    return Ref(Budget.name, f"billingAccounts/{account}/budgets/{names.name}")


def _title(deployment: str) -> str:
    return f"mlflow-reconcile {deployment}"


def _service(cloud: Cloud) -> Any:
    return cloud.api("billingbudgets", "v1").billingAccounts().budgets()


def _paying(cloud: Cloud) -> str:
    """The account that pays for the project, "" where none does or where that cannot be asked."""

    def read() -> str:
        projects = cloud.api("cloudbilling", "v1").projects()
        request = projects.getBillingInfo(name=f"projects/{cloud.project}")
        try:
            found = cloud.found(f"asking which account pays for {cloud.project}", request.execute)
        except errors.ApiDisabled:
            return ""
        return str(found["billingAccountName"]) if found and "billingAccountName" in found else ""

    return cloud.once("cloudbilling.billingInfo", read)


def _budgets(cloud: Cloud, account: str) -> list[Live]:
    """The account's budgets that are about this project."""

    def read() -> list[Live]:
        found: list[Live] = []
        request = _service(cloud).list(parent=account, scope=f"projects/{cloud.project}", pageSize=PAGE)
        while request is not None:
            answer = _explained(cloud, f"reading the budgets of {account}", request.execute)
            found += answer.get("budgets", [])
            request = _service(cloud).list_next(request, answer)
        return sorted(found, key=lambda one: str(one["name"]))

    return cloud.once(("billingbudgets", account), read)


def _explained(cloud: Cloud, about: str, request: Any, policy: retries.Policy = retries.READ) -> Any:
    """The answer of *request*; a refusal says what is missing, which Google's words do not."""
    try:
        return cloud.call(about, request, policy)
    except errors.PermissionMissing as error:
        error.way_out = (
            f"{cloud.member or 'Whoever calls'} needs roles/billing.costsManager on the billing account; its "
            "administrator grants it with: gcloud billing accounts add-iam-policy-binding ACCOUNT "
            f"--member={cloud.member or 'MEMBER'} --role=roles/billing.costsManager. An account that does not exist "
            "is refused in the same words: check budget.billing_account."
        )
        raise


def _under(cloud: Cloud, ref: Ref) -> list[Live]:
    account = "/".join(ref.name.split("/")[:2])
    live = _budgets(cloud, account)
    literal = [one for one in live if one["name"] == ref.name]
    return literal or [one for one in live if one.get("displayName") == _title(ref.short)]


def _shown(cloud: Cloud, live: Live) -> Mapping[str, Json]:
    rules = flat.items(live, "thresholdRules")
    told = cast("list[str]", flat.at(live, ADDRESSES) or [])
    owner = str(live.get("displayName", "")).rpartition(" ")[2]
    known: Mapping[str, str] = _known(cloud, owner) if told else {}
    return {
        "displayName": live.get("displayName"),
        UNITS: flat.integer(flat.at(live, UNITS)),
        "budgetFilter.projects": flat.at(live, "budgetFilter.projects"),
        "budgetFilter.calendarPeriod": flat.at(live, "budgetFilter.calendarPeriod"),
        "budgetFilter.creditTypesTreatment": flat.at(live, "budgetFilter.creditTypesTreatment"),
        "thresholdRules": [_rule(rule) for rule in sorted(rules, key=lambda rule: rule["thresholdPercent"])],
        f"{NOTIFICATIONS}.disableDefaultIamRecipients": bool(
            flat.at(live, f"{NOTIFICATIONS}.disableDefaultIamRecipients")
        ),
        ADDRESSES: sorted(known.get(one, one) for one in told),
    }


def _known(cloud: Cloud, deployment: str) -> Mapping[str, str]:
    """Addresses by channel; none while somebody has disabled Cloud Monitoring, which the same plan then enables."""
    try:
        return channel.addresses(cloud, deployment)
    except errors.ApiDisabled:
        return {}


def _rule(rule: Live) -> str:
    basis = rule.get("spendBasis", "CURRENT_SPEND")
    return f"{round(rule['thresholdPercent'] * 100)} %" + ("" if basis == "CURRENT_SPEND" else f" {basis}")


def _message(cloud: Cloud, body: Body, live: Live) -> dict[str, Any]:
    """The JSON of *body*, laid over *live*; the currency is the account's own."""
    wanted = dict(body)
    rules = cast("list[str] | None", wanted.pop("thresholdRules", None))
    if ADDRESSES in wanted:
        wanted[ADDRESSES] = channel.named(cloud, _owner(body, live), cast("list[str]", wanted[ADDRESSES]))
    if UNITS in wanted:
        wanted[UNITS] = str(wanted[UNITS])
    message: dict[str, Any] = {}
    for key, value in flat.nested(wanted).items():
        message[key] = {**(live.get(key) or {}), **value} if isinstance(value, dict) else value
    if rules is not None:
        percents = [int(rule.partition(" ")[0]) for rule in rules]
        message["thresholdRules"] = [
            {"thresholdPercent": percent / 100, "spendBasis": "CURRENT_SPEND"} for percent in percents
        ]
    return message


def _owner(body: Body, live: Live) -> str:
    return str(body.get("displayName") or live.get("displayName", "")).rpartition(" ")[2]


BUDGET: Final = Budget()
