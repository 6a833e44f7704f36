"""The guards that the laws stand on, and how each is taken out: a line of code, and what stands there without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Guard:
    """Which *law* it serves and what it *does*; the *file*, its text there (*old*) and *new* without it; its *test*."""

    law: int
    does: str
    file: str
    old: str
    new: str
    test: str


DIFF, PLAN, APPLY = "reconciler/diff.py", "reconciler/plan.py", "reconciler/apply.py"
LEASE, CLAIM, SEALED = "reconciler/lease.py", "reconciler/claim.py", "reconciler/sealed.py"
POLICY = "reconciler/gcp/policy.py"
TOGETHER, ORGANISATION = "reconciler/guards/together.py", "reconciler/guards/organisation.py"
ATTACH = "tests/laws/test_attach.py::test_no_second_operation_is_begun"
FAILURES, RETRIES = "reconciler/gcp/failures.py", "reconciler/gcp/retries.py"

GUARDS: Final = (
    Guard(
        1, "more than a floor is as good: a disk that grew is no difference",
        DIFF, "        return found >= wanted\n", "        return found == wanted\n",
        "tests/test_diff.py::test_more_than_a_floor_is_as_good",
    ),
    Guard(
        1, "an update whose learned value changes nothing is not sent",
        APPLY, "        if fields or change.observed.busy:\n", "        if True:\n",
        "tests/test_apply.py::test_an_update_by_a_learned_value_that_changes_nothing_is_not_sent",
    ),
    Guard(
        3, "what is going on already is waited for, not begun again",
        DIFF, "    if not fields and observed.busy:\n", "    if False:\n",
        "tests/test_diff.py::test_what_is_going_on_is_waited_for",
    ),
    Guard(
        3, "a deletion of Cloud Run's that is going on is waited for",
        "reconciler/gcp/run_deletion.py", "        if awaited(cloud, ref, about):\n", "        if False:\n",
        f"{ATTACH}[run.service-delete]",
    ),
    Guard(
        3, "a build that is going on is waited for",
        "reconciler/resources/artifactregistry_image.py", "            if running := _running(cloud, place, names):\n",
        "            if running := \"\":\n",
        f"{ATTACH}[artifactregistry.image-create]",
    ),
    Guard(
        3, "what an operation on a database has done meanwhile is seen before more is asked for",
        "reconciler/gcp/sql_work.py", "    if settle(cloud, instance):\n", "    if False:\n",
        "tests/resources/test_sqladmin_instance.py",
    ),
    Guard(
        3, "a password that got through is not set again",
        "reconciler/resources/sqladmin_user.py", "    return noted == told and ", "    return False and ",
        f"{ATTACH}[sqladmin.user-create]",
    ),
    Guard(
        4, "a write that would do it twice is sent again only where it surely was not carried out",
        RETRIES, "error.status in {429, 503}", "True",
        "tests/gcp/test_retries.py",
    ),
    Guard(
        4, "what is wrong is not asked again",
        RETRIES, "isinstance(error, errors.Unavailable | errors.Unreachable)", "True",
        "tests/gcp/test_retries.py",
    ),
    Guard(
        4, "what needs a failed change is not tried",
        APPLY, "            if n in run.outcomes and run.outcomes[n].status is not Status.DONE\n",
        "            if False\n",
        "tests/test_apply.py::test_a_failure_skips_what_needs_it_and_nothing_else",
    ),
    Guard(
        5, "other people's grants are carried through",
        POLICY, "    kept = [b for b in bindings if b[\"members\"]]\n",
        "    kept = [b for b in bindings if b[\"members\"] and b[\"role\"] in {f.split(\" \")[0] for f in wanted}]\n",
        "tests/gcp/test_policy.py::test_what_others_granted_survives",
    ),
    Guard(
        5, "a policy is written on the etag that was read",
        POLICY, "    return {**policy, \"bindings\"", "    return {\"bindings\"",
        "tests/gcp/test_policy.py::test_etag_and_version_are_carried",
    ),
    Guard(
        5, "a binding under a condition of others is not ours",
        POLICY, "found and condition.get(\"title\") == TITLE else None", "found else \"\"",
        "tests/gcp/test_policy.py::test_a_conditional_grant_is_not_ours",
    ),
    Guard(
        5, "a write that lost its precondition is planned anew",
        APPLY, "        except errors.VersionMoved:\n", "        except ZeroDivisionError:\n",
        "tests/test_apply.py::test_a_lost_race_is_looked_at_again",
    ),
    Guard(
        6, "only the fields that differ are written",
        APPLY, "        fields = [f.field for f in diff(desired, change.observed).fields]\n",
        "        fields = list(desired.body or {})\n",
        "tests/test_apply.py::test_an_update_writes_the_differing_fields_only",
    ),
    Guard(
        7, "a sealed plan that shows less than it does is refused",
        SEALED, "    if _said(sealed.shown) != _said(document(plan)):\n", "    if False:\n",
        "tests/test_sealed_binding.py::test_a_plan_that_shows_less_than_it_does_is_refused",
    ),
    Guard(
        7, "a sealed plan is refused when its spec has changed",
        SEALED, "    if sealed.spec_hash != _file_hash(sealed.spec):\n", "    if False:\n",
        "tests/test_sealed.py::test_a_plan_is_stale_when_its_spec_has_changed",
    ),
    Guard(
        7, "the fingerprint has the version of what was read",
        PLAN, "[observed.version, observed.busy, ", "[observed.busy, ",
        "tests/test_plan.py::test_the_fingerprint_changes_with_anything_that_was_read",
    ),
    Guard(
        5, "what lost our mark since the plan is not deleted",
        "reconciler/kind.py", "    if desired is not None and desired.mark:\n", "    if False:\n",
        "tests/test_apply.py::test_what_was_given_away_since_the_plan_is_not_deleted",
    ),
    Guard(
        8, "what holds data is not replaced",
        DIFF, "    if desired.holds_data or desired.permanent or desired.empties:\n", "    if False:\n",
        "tests/test_diff.py::test_what_holds_data_is_never_replaced",
    ),
    Guard(
        8, "what holds data is kept when it is not wanted any more",
        DIFF, "    if desired.holds_data and not delete_data:\n", "    if False:\n",
        "tests/test_diff.py::test_data_is_left_in_place",
    ),
    Guard(
        8, "what is protected on Google's side is not deleted",
        DIFF, "        if observed.body.get(desired.guard)\n", "        if False\n",
        "tests/test_diff.py::test_a_guard_that_is_on_blocks_the_deletion",
    ),
    Guard(
        8, "what does not carry our mark is not deleted",
        DIFF, "    if desired.permanent or not desired.owns(observed):\n", "    if desired.permanent:\n",
        "tests/test_diff.py::test_what_does_not_carry_our_mark_is_never_deleted",
    ),
    Guard(
        8, "what does not carry our mark is not changed",
        DIFF, "    if foreign and not desired.permanent:\n", "    if False:\n",
        "tests/test_diff.py::test_what_does_not_carry_our_mark_is_refused_with_the_command_that_adopts_it",
    ),
    Guard(
        8, "a number that only goes up is not brought down",
        DIFF, "desired.only_up and not _rises(f)]\n    return \"; \"", "()]\n    return \"; \"",
        "tests/test_diff.py::test_what_only_goes_up_is_not_brought_down",
    ),
    Guard(
        8, "every guard is judged before the first write",
        APPLY, "    plan.refuse_if_blocked()\n    observed", "    observed",
        "tests/test_apply.py::test_a_blocked_plan_writes_nothing",
    ),
    Guard(
        8, "what stands in the way of a plan is refused before the first write",
        "reconciler/cli/carry_out.py",
        "        together.refuse(cloud, lease.deployment, changes, checked=checked)\n", "        pass\n",
        "tests/cli/test_guards.py::test_destroy_is_refused_before_the_lease_is_taken",
    ),
    Guard(
        8, "what stands in the way of a plan is told before anybody agrees",
        "reconciler/cli/apply_command.py",
        "    together.refuse_blocked(cloud, deployment, plan, checked=not unchecked)\n", "    pass\n",
        "tests/cli/test_guards.py::test_apply_is_refused_before_anybody_agrees",
    ),
    Guard(
        8, "whoever only looks is shown what stands in the way",
        "reconciler/cli/console.py",
        "    if plan.obstacles or any(", "    if any(",
        "tests/cli/test_guards.py::test_who_only_looks_sees_what_stands_in_the_way",
    ),
    Guard(
        8, "everything that stands in the way is told at once",
        TOGETHER, "                obstacles += future.result()\n",
        "                obstacles = obstacles or future.result()\n",
        "tests/guards/test_together.py::test_everything_is_listed_at_once",
    ),
    Guard(
        8, "whoever may not ask what stands in the way is not stopped by that",
        TOGETHER, "    except (errors.PermissionMissing, errors.Refused, errors.NotThere):\n",
        "    except ZeroDivisionError:\n",
        "tests/guards/test_together.py::test_who_may_not_ask_is_left_to_googles_own_refusal",
    ),
    Guard(
        8, "what the organisation forbids is not begun",
        ORGANISATION, "        if against:\n", "        if False:\n",
        "tests/guards/test_organisation.py::test_what_is_forbidden_is_told_with_its_line_and_a_way_out",
    ),
    Guard(
        8, "a policy is not taken to forbid what it may allow",
        ORGANISATION, " and not any(one.startswith(_GROUPS) for one in allowed)\n", "\n",
        "tests/guards/test_organisation.py::test_a_policy_forbids_only_what_it_surely_forbids",
    ),
    Guard(
        8, "what does not fit into a quota is not begun",
        "reconciler/guards/quotas.py",
        "            if free is not None and free < need.amount:\n", "            if False:\n",
        "tests/guards/test_quotas.py::test_a_range_takes_one",
    ),
    Guard(
        8, "a machine that the region has not is not asked for",
        "reconciler/guards/tiers.py",
        "    elif tier in offered and region not in offered[tier]:\n", "    elif False:\n",
        "tests/guards/test_tiers.py::test_a_machine_is_where_it_is_listed",
    ),
    Guard(
        8, "what its budget does not hold is not begun",
        "reconciler/guards/spending.py", "    if any(_costs(change) for change in changes):\n", "    if False:\n",
        "tests/guards/test_spending.py::test_sum_budget_line_and_ways_out_are_told",
    ),
    Guard(
        8, "a race does not turn an update into a replacement",
        APPLY, "    if after.action is Action.REPLACE and change.action is not Action.REPLACE:\n", "    if False:\n",
        "tests/test_apply.py::test_a_race_never_turns_an_update_into_a_replacement",
    ),
    Guard(
        8, "access is closed before what it protects changes",
        PLAN, "                or _closes(change, needed)\n", "",
        "tests/test_plan.py::test_access_is_taken_away_before_what_it_protects_changes",
    ),
    Guard(
        9, "the lease is refused to the second",
        LEASE, "        if standing is not None and not standing.over(_now()):\n", "        if False:\n",
        "tests/test_lease.py::test_one_takes_it_and_the_other_is_told_who",
    ),
    Guard(
        9, "the lease is taken on the version that the plan's reads saw",
        LEASE, "            self._know(self.seen)\n",
        "            self._etag, self._others = \"\", others_of(self.seen)\n",
        "tests/test_lease.py::test_who_planned_before_another_run_does_not_get_it",
    ),
    Guard(
        9, "a run that came and went in between is told from somebody's label",
        LEASE, " or turn_of(found) != turn_of(self.seen)", "",
        "tests/test_lease.py::test_who_planned_before_another_run_does_not_get_it",
    ),
    Guard(
        9, "the lease expires by itself",
        CLAIM, "        return now >= self.until or ", "        return ",
        "tests/test_lease.py::test_it_expires_by_itself",
    ),
    Guard(
        9, "a killed process of this machine holds nothing",
        CLAIM, " or holder.ended(self.process)", "",
        "tests/test_lease.py::test_a_killed_process_of_this_machine_holds_nothing",
    ),
    Guard(
        9, "a holder who lost the lease begins nothing new",
        LEASE, "        self.cloud.stopped.set()", "        pass",
        "tests/test_lease.py::test_a_holder_who_loses_it_stops",
    ),
    Guard(
        10, "what somebody else set where a secret may be is not shown",
        DIFF, "            FOREIGN if field in unshown else observed.body.get(field),\n",
        "            observed.body.get(field),\n",
        "tests/test_diff.py::test_under_a_complete_prefix_an_unknown_field_is_a_difference",
    ),
    Guard(
        10, "what was read is not shown either, where a secret may be in it",
        DIFF, "    return replace(change, observed=masked(observed, hidden(desired, observed)))", "    return change",
        "tests/test_masking.py",
    ),
    Guard(
        11, "a disabled API is told from a missing permission",
        FAILURES, "    if status == 403 and reason in {", "    if False and reason in {",
        "tests/gcp/test_failures.py",
    ),
    Guard(
        11, "a missing project is told from a missing permission",
        FAILURES, "    if status == 403 and reason == \"CONSUMER_INVALID\":\n", "    if False:\n",
        "tests/permissions/test_four_answers.py",
    ),
    Guard(
        12, "after an interruption a change that is under way sends nothing more",
        "reconciler/gcp/cloud.py", "            if self.stopped.is_set() and _notify.get() is not None:\n",
        "            if False:\n",
        "tests/gcp/test_cloud.py::test_who_carries_out_a_change_sends_nothing_more_once_stopped",
    ),
    Guard(
        12, "after an interruption nothing that was only queued is begun",
        APPLY, "    if run.cloud.stopped.is_set():\n        return  #", "    if False:\n        return  #",
        "tests/test_apply.py::test_what_was_only_queued_is_not_started_after_an_interruption",
    ),
)  # fmt: skip
"""In the order of the laws that they serve."""
