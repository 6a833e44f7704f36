"""What the schema cannot say: each rule finds its problem, at its key, and its ways out are ways out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.spec import load as loading
from reconciler.spec.deployment import Deployment
from reconciler.spec.finding import Finding
from reconciler.spec.rules import RULES, problems
from reconciler.spec.schema import canonical, fill, load_schema
from reconciler.spec.values import Reading

Check = Callable[[str], list[Finding]]
IAM = "auth: {mode: iam, invokers: "

PROBLEMS = [
    # text after the four lines, line, column, key, part of the message, parts of the way out
    ("auth: {mode: none}\n", 5, 14, "auth.mode", "everybody", "acknowledge_public: true"),
    ("auth: {mode: iam}\n", 5, 14, "auth.mode", "nobody may call", "mode basic"),
    (
        "memory: 512Mi\nauth: {mode: mlflow}\nserver: {pool_size: 4}\ndatabase: {tier: db-custom-2-7680}\n",
        5,
        9,
        "memory",
        "378Mi for the server and 160Mi to check passwords",
        "server.pool_size: 3 and server.pool_overflow: 1",
    ),
    (f"{IAM}[allUsers]}}\n", 5, 30, "auth.invokers.0", "everybody", "mode none"),
    (f"{IAM}[ada@acme.example]}}\n", 5, 30, "auth.invokers.0", "does not say what", "user:ada@acme.example"),
    (
        f"{IAM}[x@p.iam.gserviceaccount.com]}}\n",
        5,
        30,
        "auth.invokers.0",
        "say what",
        "serviceAccount:x@p.iam",
    ),
    (
        f"{IAM}['serviceaccount:x@p.iam.gserviceaccount.com']}}\n",
        5,
        30,
        "auth.invokers.0",
        "kind",
        "serviceAccount:",
    ),
    (f"{IAM}['user:Ada@acme.example']}}\n", 5, 30, "auth.invokers.0", "lower case", "user:ada@acme.example"),
    (f"{IAM}['user:ada']}}\n", 5, 30, "auth.invokers.0", "not an e-mail", "user:name@"),
    (f"{IAM}['domain:acme']}}\n", 5, 30, "auth.invokers.0", "not a domain", "domain:acme.example"),
    (
        f"{IAM}['user:x@p.iam.gserviceaccount.com']}}\n",
        5,
        30,
        "auth.invokers.0",
        "a service account",
        "serviceAcc",
    ),
    (
        f"{IAM}['serviceAccount:a@b.example']}}\n",
        5,
        30,
        "auth.invokers.0",
        "not a service account",
        "group:a@b",
    ),
    (f"{IAM}['deleted:user:a@b.example']}}\n", 5, 30, "auth.invokers.0", "does not say what", "write user:"),
    (
        "scaling: {min_instances: 3}\n",
        5,
        26,
        "scaling.min_instances",
        "more than max_instances (2)",
        "max_instances: 3",
    ),
    (
        "server: {secrets: {PORT: 'a:1'}}\n",
        5,
        26,
        "server.secrets.PORT",
        "reserved by Cloud Run",
        "choose another",
    ),
    (
        "server: {secrets: {A: 'a:1'}, env: {A: x}}\n",
        5,
        23,
        "server.secrets.A",
        "server.env as well",
        "one of the two",
    ),
    (
        "server: {secret_files: {/secrets/a/x: 'a:1', /secrets/a/y: 'a:1'}}\n",
        5,
        60,
        "server.secret_files./secrets/a/y",
        "in the folder of /secrets/a/x",
        "another folder",
    ),
    ("server: {pip: [mlflow==3.1.0]}\n", 5, 16, "server.pip.0", "a key of its own", "server.version"),
    ("server: {pip: [a-b==1, A_B==2]}\n", 5, 24, "server.pip.1", "asks for a-b again", "keep one"),
    (
        "networking: {database_ip: private, egress: connector, connector: {min_instances: 3}}\n",
        5,
        82,
        "networking.connector.min_instances",
        "3 is not less than max_instances (3)",
        "max_instances: 4",
    ),
    (
        "networking: {database_ip: private, egress: connector, connector: {range: 10.8.0.5/28}}\n",
        5,
        74,
        "networking.connector.range",
        "lies inside 10.8.0.0/28",
        "did you mean 10.8.0.0/28?",
    ),
    (
        "networking: {database_ip: private, egress: connector, connector: {range: 34.8.0.0/28}}\n",
        5,
        74,
        "networking.connector.range",
        "part of the internet",
        "10.8.0.0/28",
    ),
    (
        "networking: {database_ip: private, egress: connector, host_project: acme-net}\n",
        5,
        69,
        "networking.connector.subnetwork",
        "only by a subnet",
        "egress: direct",
    ),
    ("memory: 256Mi\n", 5, 9, "memory", "less than Cloud Run takes", "memory: 512Mi"),
    ("memory: 8Gi\n", 5, 9, "memory", "too much for 1 vCPU", "cpu: 2"),
    ("memory: 64Gi\n", 5, 9, "memory", "too much for 1 vCPU", "memory: 4Gi"),
    ("memory: 1Gi\ncpu: 4\n", 5, 9, "memory", "too little for 4 vCPU", "memory: 2Gi"),
    ("cpu: 0.5\nmemory: 2Gi\nscaling: {concurrency: 1}\n", 6, 9, "memory", "at least one vCPU", "cpu: 1"),
    ("cpu: 0.2\nscaling: {concurrency: 1}\n", 5, 6, "memory", "at least half a vCPU", "memory: 512Mi"),
    ("cpu: 0.5\n", 5, 6, "cpu", "one request at a time", "scaling.concurrency: 1"),
    ("cpu: 0.5\nscaling: {concurrency: 1, cpu_always_on: true}\n", 5, 6, "cpu", "always on", "cpu: 1"),
    (
        "memory: 512Mi\nserver: {workers: 2}\nscaling: {max_instances: 1}\n",
        5,
        9,
        "memory",
        "2 workers need 578Mi",
        "server.workers: 1",
    ),
    (
        "server: {workers: 3}\nmemory: 600Mi\nscaling: {max_instances: 1}\n",
        6,
        9,
        "memory",
        "3 workers need 778Mi",
        "memory: 1Gi (at no cost), or server.workers: 2",
    ),
    (
        "scaling: {max_instances: 4}\ndatabase: {flags: {max_connections: '26'}}\n",
        *(
            5,
            26,
            "scaling.max_instances",
            "database.flags.max_connections leaves 23 connections, 27 are needed",
        ),
        'database.flags.max_connections: "30", which restarts the database (at no cost)',
    ),
    (
        "database: {availability: regional}\n",
        *(5, 26, "database.availability", "backups with point-in-time recovery"),
        "database.availability: zonal ($9.36 a month less), or database.backups: {enabled: true",
    ),
    (
        "database: {backups: {enabled: false, point_in_time_recovery: true}}\n",
        *(5, 62, "database.backups.point_in_time_recovery", "needs daily backups"),
        "point_in_time_recovery: false (at no cost), or database.backups.enabled: true ($0.80 a month more)",
    ),
    (
        "database: {backups: {log_days: 8}}\n",
        *(5, 32, "database.backups.log_days", "more than edition enterprise keeps"),
        "log_days: 7 (at no cost), or database: {edition: enterprise-plus, tier: db-perf-optimized-N-2} ($",
    ),
    (
        "database: {disk_gb: 20, disk_limit_gb: 15}\n",
        *(5, 40, "database.disk_limit_gb", "less than the disk has to begin with", "disk_limit_gb: 20"),
    ),
    *(
        (
            f"database: {{maintenance: {{deny_period: {{{days}}}}}}}\n",
            *(5, 47, "database.maintenance.deny_period.start", message, "2026-12-15"),
        )
        for days, message in (
            ("start: '2026-12-15', end: '01-05'", "one has a year"),
            ("start: '2026-02-30', end: '2026-03-05'", "2026-02-30 is not a day"),
            ("start: '2026-12-15', end: '2026-12-01'", "is -14 days"),
            ("start: '11-01', end: '02-15'", "is 106 days; Cloud SQL takes 1 to 90"),
        )
    ),
    (
        "database: {flags: {max_connections: '13'}}\nscaling: {max_instances: 1}\n",
        *(5, 37, "database.flags.max_connections", "not a number from 14 to 262143", "the tier then decides"),
    ),
    (
        "scaling: {max_instances: 4}\n",
        5,
        26,
        "scaling.max_instances",
        "leaves 22 connections",
        "pool_size: 1 and",
    ),
    (
        "scaling: {max_instances: 9}\n",
        5,
        26,
        "scaling.max_instances",
        "57 are needed",
        "scaling.max_instances: 3",
    ),
    (
        "database: {tier: db-custom-1-3840, edition: enterprise-plus}\n",
        5,
        18,
        "database.tier",
        "not a tier",
        "N-2",
    ),
    (
        "database: {tier: db-perf-optimized-N-2}\n",
        5,
        18,
        "database.tier",
        "not a tier of edition enterprise",
        "plus",
    ),
    (
        *("database: {tier: db-perf-optimized-N-3, edition: enterprise-plus}\n", 5, 18, "database.tier"),
        *("does not exist", "db-perf-optimized-N-2?"),
    ),
    (
        "database: {tier: db-custom-3-8192}\n",
        5,
        18,
        "database.tier",
        "1 or an even number",
        "db-custom-4-8192?",
    ),
    ("database: {tier: db-custom-2-4000}\n", 5, 18, "database.tier", "multiple of 256", "db-custom-2-4096?"),
    ("database: {tier: db-custom-1-1024}\n", 5, 18, "database.tier", "3840 to 6656 MB", "db-custom-1-3840?"),
    ("database: {tier: db-custom-1-8192}\n", 5, 18, "database.tier", "3840 to 6656 MB", "db-custom-1-6656?"),
    ("database: {tier: db-custom-98-999936}\n", 5, 18, "database.tier", "up to 96", "db-custom-96-638976?"),
    ("server: {version: 3.18.0}\n", 5, 19, "server.version", "cannot be installed", '"3.17.2"'),
    ("server: {version: 3.7.0}\n", 5, 19, "server.version", "leaks", '"3.17.2"'),
    ("server: {version: 2.9.2}\n", 5, 19, "server.version", "older than 3.5.0", '"3.17.2"'),
    ("server: {version: 3.16.9}\n", 5, 19, "server.version", "never released", '"3.17.2"'),
    ("server: {version: 4.0.0}\n", 5, 19, "server.version", "newer than 3.17.2", '"3.17.2"'),
    (
        "server: {env: {MLFLOW_WORKERS: '4'}}\n",
        5,
        32,
        "server.env.MLFLOW_WORKERS",
        "derived",
        "set server.workers",
    ),
    ("server: {env: {PORT: '80'}}\n", 5, 22, "server.env.PORT", "reserved by Cloud Run", "remove it"),
    ("server: {env: {K_SERVICE: x}}\n", 5, 27, "server.env.K_SERVICE", "reserved by Cloud Run", "remove it"),
    (
        "server: {env: {_MLFLOW_SERVER_X: x}}\n",
        5,
        34,
        "server.env._MLFLOW_SERVER_X",
        "parts of the image",
        "remove",
    ),
    (
        *("server: {env: {MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE: 'true'}}\n", 5, 59),
        *("server.env.MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "refused", "remove it"),
    ),
    ("labels: {managed-by: me}\n", 5, 22, "labels.managed-by", "recognises its own", "another key"),
    ("labels: {mlflow-deployment: x}\n", 5, 29, "labels.mlflow-deployment", "recognises", "another key"),
    (
        *(
            "lifecycle: {nearline_after_days: 30, coldline_after_days: 30}\n",
            5,
            59,
            "lifecycle.coldline_after_days",
        ),
        *("not later than nearline_after_days (30)", "coldline_after_days: 60"),
    ),
    (
        *(
            "lifecycle: {nearline_after_days: 90, archive_after_days: 60}\n",
            5,
            58,
            "lifecycle.archive_after_days",
        ),
        *("not later than nearline_after_days (90)", "nearline_after_days: 0"),
    ),
    *(
        (
            f"lifecycle: {{delete_prefixes: [{{after_days: 3, prefix: '{prefix}'}}]}}\n"
            f"artifacts: {{folder: '{folder}'}}\n",
            *(5, 55, "lifecycle.delete_prefixes.0.prefix", part, "lifecycle.retention"),
        )
        for prefix, folder, part in (
            ("1", "", "artifacts of an experiment"),
            ("12/", "", "artifacts of an experiment"),
            ("m", "", "MLflow keeps in models/"),
            ("models/m-", "", "MLflow keeps in models/"),
            ("traces/", "", "MLflow keeps in traces/"),
            ("ml", "mlflow", "the artifacts folder mlflow/"),
            ("mlflow/", "mlflow", "the artifacts folder mlflow/"),
            ("mlflow/0/", "mlflow", "artifacts of an experiment"),
            ("team/", "team/mlflow", "the artifacts folder team/mlflow/"),
            ("team/mlflow/art", "team/mlflow", "MLflow keeps in team/mlflow/artifacts/"),
        )
    ),
    *(
        (
            f"lifecycle: {{retention: {{delete_runs_after_days: 90, schedule: '{schedule}'}}}}\n",
            *(5, 63, "lifecycle.retention.schedule", part, "0 3 * * 0"),
        )
        for schedule, part in (
            ("60 3 * * 0", "60 for the minute"),
            ("0 24 * * 0", "24 for the hour"),
            ("0 3 0 * *", "0 for the day of the month"),
            ("0 3 * mai *", "mai for the month"),
            ("0 3 * * 8", "8 for the day of the week"),
            ("*/0 3 * * 0", "*/0 for the minute"),
            ("5-1 3 * * 0", "5-1 for the minute"),
            ("0 3 31 2,apr *", "a day that its months do not have"),
        )
    ),
    (
        "lifecycle: {retention: {delete_runs_after_days: 90, time_zone: Europe/Pari}}\n",
        *(5, 64, "lifecycle.retention.time_zone", "not a name of the tz database", "Etc/UTC"),
    ),
    ("lifecycle: {soft_delete_days: 3}\n", 5, 31, "lifecycle.soft_delete_days", "too short", "at least 7"),
    ("artifacts: {existing: true}\n", 5, 23, "artifacts.existing", "needs the name", "add bucket"),
    ("artifacts: {bucket: my-google-bucket}\n", 5, 21, "artifacts.bucket", "holds google", "another name"),
    ("artifacts: {bucket: goog-bucket}\n", 5, 21, "artifacts.bucket", "begins with goog", "another name"),
    (
        "artifacts: {bucket: a.acme.example}\n",
        5,
        21,
        "artifacts.bucket",
        "holds a dot",
        "bucket: a-acme-example",
    ),
    ("artifacts: {bucket: ab}\n", 5, 21, "artifacts.bucket", "2 characters", "another name"),
    (
        "artifacts: {bucket: 10.0.0.1, existing: true}\n",
        5,
        21,
        "artifacts.bucket",
        "IP address",
        "another name",
    ),
    (
        *("artifacts: {bucket: theirs, existing: true}\nlifecycle: {versioning: true}\n", 6, 25),
        *("lifecycle.versioning", "somebody else's", "existing: false"),
    ),
    (
        *(f"image: {{digest: 'quay.io/a/b@sha256:{'0' * 64}'}}\n", 5, 17, "image.digest"),
        *("does not pull from quay.io", "Artifact Registry"),
    ),
]


def test_users_need_a_version_that_knows_their_schema(check_with: Check) -> None:
    """Older ones do not note its revision; in another mode nobody minds."""
    old = "server: {version: 3.5.1}\n"
    found = [
        finding for finding in check_with(f"auth: {{mode: mlflow}}\n{old}") if "3.6.0" in finding.message
    ]
    assert [finding.severity for finding in found] == ["error"]
    assert not [finding for finding in check_with(old) if "3.6.0" in finding.message]


@pytest.mark.parametrize(("text", "line", "column", "key", "message", "way_out"), PROBLEMS)
def test_a_rule_finds_its_problem(
    check_with: Check, text: str, line: int, column: int, key: str, message: str, way_out: str
) -> None:
    """One mistake in an otherwise valid spec is one finding: place, key, reason, ways out."""
    (found,) = check_with(text)
    assert (found.line, found.column, found.key, found.severity) == (line, column, key, "error")
    assert message in found.message
    assert way_out in found.way_out


WARNINGS = [
    ("auth: {invokers: ['user:a@b.example']}\n", 5, "auth.invokers", "means nothing with mode basic"),
    (
        "networking: {vpc_egress: all-traffic}\n",
        5,
        "networking.vpc_egress",
        "means nothing with database_ip: public",
    ),
    (
        "networking: {database_ip: private, connector: {max_instances: 4}}\n",
        5,
        "networking.connector.max_instances",
        "means nothing with egress: direct",
    ),
    (
        "networking: {database_ip: private, egress: connector, subnetwork: ml}\n",
        5,
        "networking.subnetwork",
        "means nothing with egress: connector",
    ),
    (
        "networking: {database_ip: private, peering_range: theirs, peering_prefix_length: 16}\n",
        5,
        "networking.peering_prefix_length",
        "means nothing with peering_range: theirs",
    ),
    (
        "networking: {database_ip: private, egress: connector, connector: {subnetwork: ml, range: 10.9.0.0/28}}\n",
        5,
        "networking.connector.range",
        "whose range the connector takes",
    ),
    ("networking: {ingress: internal-and-load-balancer}\n", 5, "networking.ingress", "answers 403"),
    ("server: {version: 3.16.1}\n", 5, "server.version", "only 3.17.2 is tested"),
    ("lifecycle: {retention: {dry_run: true}}\n", 5, "lifecycle.retention.dry_run", "there is no job"),
    ("server: {env: {MY_API_KEY: abc}}\n", 5, "server.env.MY_API_KEY", "looks like a secret"),
    (
        "lifecycle: {versioning: true, delete_noncurrent_after_days: 0}\n",
        5,
        "lifecycle.delete",
        "every old version",
    ),
]


@pytest.mark.parametrize(("text", "line", "key", "message"), WARNINGS)
def test_a_warning_is_said_and_does_not_fail(
    check_with: Check, load_with: Callable[[str], Deployment], text: str, line: int, key: str, message: str
) -> None:
    """What may be meant is a finding of its own severity, and the spec still loads."""
    (found,) = check_with(text)
    assert (found.line, found.severity) == (line, "warning")
    assert found.key.startswith(key)
    assert message in found.message
    assert ": warning: " in str(found)
    assert load_with(text).name == "mlflow-test"


def test_an_unknown_region_is_a_warning_with_the_nearest(check_text: Check) -> None:
    """Google opens regions, so a new one is let through; a misspelt one is most likely seen."""
    (found,) = check_text("version: 1\nname: mlflow-test\nproject: acme-ml\nregion: europe-wset1\n")
    assert (found.line, found.column, found.severity) == (4, 9, "warning")
    assert found.way_out == "did you mean europe-west1?"


def test_the_job_runner_asks_for_all_it_needs_at_once(check_with: Check) -> None:
    """Instance, CPU and memory: three findings from one line."""
    found = check_with("server: {job_runner: true}\nscaling: {max_instances: 1}\n")
    assert [finding.way_out for finding in found] == [
        "scaling.min_instances: 1, or job_runner: false",
        "scaling.cpu_always_on: true, or job_runner: false",
        "memory: 2Gi (at no cost), or server.job_runner: false (at no cost)",
    ]
    assert {finding.line for finding in found} == {5}


def test_a_full_job_runner_is_accepted(load_with: Callable[[str], Deployment]) -> None:
    """With what it asks for, it runs."""
    scaling = "{min_instances: 1, max_instances: 1, cpu_always_on: true}"
    text = f"server: {{job_runner: true}}\nmemory: 2Gi\nscaling: {scaling}\n"
    assert load_with(text).server.job_runner


def test_a_rule_is_silent_about_what_is_already_wrong(check_with: Check) -> None:
    """A tier that the schema refuses is not also too small for the instances."""
    found = check_with("database: {tier: db-enormous}\nscaling: {max_instances: 50}\n")
    assert [finding.key for finding in found] == ["database.tier"]


def test_a_rule_is_silent_about_a_misspelt_key(check_with: Check) -> None:
    """min_instanses was meant, so that min_instances is 0 is no news."""
    scaling = "{min_instanses: 1, max_instances: 1, cpu_always_on: true}"
    text = f"server: {{job_runner: true}}\nmemory: 2Gi\nscaling: {scaling}\n"
    assert [finding.key for finding in check_with(text)] == ["scaling.min_instanses"]


def test_the_bucket_derived_from_long_names_may_be_too_long(check_text: Check) -> None:
    """Project and name are valid alone, and too long together."""
    (found,) = check_text(f"version: 1\nname: {'n' * 24}\nproject: {'p' * 30}\nregion: europe-west1\n")
    assert (found.key, found.line) == ("name", 2)
    assert "65 characters" in found.message
    assert "artifacts.bucket" in found.way_out


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("name: mlflow_auth", "database.name: mlflow_auth is where users live in mode mlflow"),
        ("name: template1", "database.name: template1 is not a database for users"),
        ("user: cloudsqlagent", "database.user: cloudsqlagent is a user of Google's"),
        ("user: pg_monitor", "database.user: pg_monitor is a user of Google's"),
    ],
)
def test_a_database_and_a_user_that_are_taken_are_refused(check_text: Check, lines: str, told: str) -> None:
    """What was made by hand may have any name, but for those that have another meaning."""
    head = "version: 1\nname: mlflow-test\nproject: acme-ml\nregion: europe-west1\n"
    (finding,) = check_text(f"{head}database: {{{lines}}}\n")
    assert f"{finding.key}: {finding.message}".startswith(told)


def test_a_socket_path_that_is_too_long_is_refused(check_text: Check) -> None:
    """Linux allows 107 bytes; only an unheard-of region gets there."""
    region = "northamerica-northnortheast1"
    text = (
        f"version: 1\nname: {'n' * 24}\nproject: {'p' * 30}\nregion: {region}\nartifacts: {{bucket: abc}}\n"
    )
    found = check_text(text)
    assert [(finding.key, finding.severity) for finding in found] == [
        ("name", "error"),
        ("region", "warning"),
    ]
    assert "108 bytes" in found[0].message
    assert found[0].way_out == "a name 1 shorter"


REGISTRIES = [
    "europe-west1-docker.pkg.dev/p/r/i",
    "gcr.io/p/i",
    "eu.gcr.io/p/i",
    "docker.io/library/python",
]


@pytest.mark.parametrize("image", REGISTRIES)
def test_registries_that_cloud_run_pulls_from_are_accepted(
    load_with: Callable[[str], Deployment], image: str
) -> None:
    """Artifact Registry, Container Registry and Docker Hub."""
    digest = f"{image}@sha256:{'a1' * 32}"
    assert load_with(f"image: {{digest: '{digest}'}}\n").image.digest == digest


def test_every_rule_says_what_it_is_for() -> None:
    """Rules are listed once, and each has its sentence."""
    assert len(set(RULES)) == len(RULES)
    assert all((rule.__doc__ or "").endswith(".") for rule in RULES)


def deployment(values: dict[str, object]) -> Deployment:
    """A deployment of *values* over the schema's defaults, past the rules."""
    contract = load_schema()
    start = {"version": 1, "name": "mlflow-test", "project": "acme-ml", "region": "europe-west1"}
    text = yaml.safe_load(yaml.safe_dump({**start, **values}))
    return loading.build(fill(contract, canonical(contract, text), ()), Reading("spec.yaml"))


SIZES = st.fixed_dictionaries(
    {
        "max_instances": st.integers(1, 100),
        "workers": st.integers(1, 16),
        "pool_size": st.integers(1, 100),
        "pool_overflow": st.integers(1, 100),
        "tier": st.sampled_from(["db-f1-micro", "db-g1-small", "db-custom-1-3840", "db-custom-4-15360"]),
    }
)


def sized(sizes: Mapping[str, Any]) -> Deployment:
    """A deployment of these sizes, with memory for any number of workers, and few enough requests at a time to wait."""
    pools = {key: sizes[key] for key in ("workers", "pool_size", "pool_overflow")}
    return deployment(
        {
            "memory": "16Gi",
            "cpu": "4",
            "scaling": {"max_instances": sizes["max_instances"], "concurrency": 30},
            "server": pools,
            "database": {
                "tier": sizes["tier"],
                "flags": {"max_connections": sizes["max_connections"]} if "max_connections" in sizes else {},
            },
        }
    )


@settings(deadline=None, max_examples=200, database=None)
@given(SIZES)
def test_every_way_out_of_too_few_connections_is_a_way_out(sizes: dict[str, Any]) -> None:
    """Doing any one of the things that the finding proposes makes the finding go away."""
    for problem in problems(sized(sizes)):
        assert problem.keys[0] == "scaling.max_instances"
        assert problem.ways_out
        for way in problem.ways_out:
            changed = dict(sizes)
            for key, value in re.findall(r'\.(\w+): "?([\w-]+)', way):
                changed[key] = value if key in ("tier", "max_connections") else int(value)
            if "pool of 1 + 1" in way:
                changed |= {"pool_size": 1, "pool_overflow": 1}
            assert changed != sizes
            assert list(problems(sized(changed))) == [], (sizes, way)


@pytest.mark.parametrize(
    "schedule", ["*/15 * * * *", "0 3 * * SUN", "0 3 29 feb *", "5,35 0-6/2 31 2 mon-fri"]
)
def test_schedules_of_cron_are_accepted(load_with: Callable[[str], Deployment], schedule: str) -> None:
    """Steps, ranges, lists and names; a day of the week makes up for a day that no month has."""
    text = f"lifecycle: {{retention: {{delete_runs_after_days: 90, schedule: '{schedule}'}}}}\n"
    assert load_with(text).lifecycle.retention.schedule == schedule


@pytest.mark.parametrize(("prefix", "folder"), [("scratch/", ""), ("s", ""), ("1/", "ml"), ("ml/tmp/", "ml")])
def test_prefixes_beside_mlflows_are_accepted(
    load_with: Callable[[str], Deployment], prefix: str, folder: str
) -> None:
    """What is not below the artifacts folder, or in a folder of its own there."""
    life = f"lifecycle: {{delete_prefixes: [{{prefix: '{prefix}', after_days: 3}}]}}\n"
    loaded = load_with(f"{life}artifacts: {{folder: '{folder}'}}\n")
    assert loaded.lifecycle.delete_prefixes[0].prefix == prefix


def test_retention_is_for_existing_buckets_too(load_with: Callable[[str], Deployment]) -> None:
    """The job deletes objects of ours there, and changes nothing about the bucket."""
    text = (
        "artifacts: {bucket: theirs, existing: true}\nlifecycle: {retention: {delete_runs_after_days: 90}}\n"
    )
    assert load_with(text).lifecycle.retention.delete_runs_after_days == 90
