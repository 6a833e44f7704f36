"""Every name that a deployment's resources have, computable before anything exists.

So a lost answer is harmless: the next run looks under the same name.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model import Origin
from reconciler.spec.deployment import Deployment

MANAGED_BY = ("managed-by", "mlflow-reconcile")
DEPLOYMENT_LABEL = "mlflow-deployment"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one deployment. *project_number* is a string of digits, as Google's APIs give it.

    *instance_id* is the deployment's own name, unless the spec says otherwise.
    """

    project: str
    project_number: str
    region: str
    name: str
    bucket: str
    instance_id: str
    database: str
    database_user: str

    @property
    def service_account(self) -> str:
        """The e-mail of the server's own service account."""
        return f"{self.name}-run@{self.project}.iam.gserviceaccount.com"

    @property
    def service_account_member(self) -> str:
        """The server's identity as IAM policies name it."""
        return f"serviceAccount:{self.service_account}"

    @property
    def build_account(self) -> str:
        """The e-mail of the service account that builds the image."""
        return f"{self.name}-build@{self.project}.iam.gserviceaccount.com"

    @property
    def build_account_member(self) -> str:
        """The builder's identity as IAM policies name it."""
        return f"serviceAccount:{self.build_account}"

    @property
    def cron_account(self) -> str:
        """The e-mail of the service account that runs the retention job on its schedule."""
        return f"{self.name}-cron@{self.project}.iam.gserviceaccount.com"

    @property
    def build_bucket(self) -> str:
        """The bucket that holds build contexts; its objects go after a week."""
        return f"{self.project}-{self.name}-build"

    @property
    def location(self) -> str:
        """Parent of everything regional."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def instance(self) -> str:
        """The Cloud SQL instance's full name."""
        return f"projects/{self.project}/instances/{self.instance_id}"

    @property
    def connection_name(self) -> str:
        """What Cloud SQL sockets are called: PROJECT:REGION:INSTANCE."""
        return f"{self.project}:{self.region}:{self.instance_id}"

    @property
    def host(self) -> str:
        """The host of the server's deterministic URL, known before the first deploy."""
        return f"{self.name}-{self.project_number}.{self.region}.run.app"

    @property
    def url(self) -> str:
        """The server's deterministic URL."""
        return f"https://{self.host}"

    @property
    def database_secret(self) -> str:
        """The secret that holds the database user's password."""
        return f"projects/{self.project}/secrets/{self.name}-db-password"

    @property
    def login_secret(self) -> str:
        """The secret that holds the password of basic authentication."""
        return f"projects/{self.project}/secrets/{self.name}-login-password"

    @property
    def webhook_secret(self) -> str:
        """The secret that holds the key of webhooks' secrets."""
        return f"projects/{self.project}/secrets/{self.name}-webhook-key"

    @property
    def gateway_secret(self) -> str:
        """The secret that holds the passphrase of the gateway's API keys."""
        return f"projects/{self.project}/secrets/{self.name}-gateway-passphrase"

    @property
    def admin_secret(self) -> str:
        """The secret that holds the password of MLflow's administrator."""
        return f"projects/{self.project}/secrets/{self.name}-admin-password"

    @property
    def flask_secret(self) -> str:
        """The secret that holds the key with which MLflow's own pages sign their forms."""
        return f"projects/{self.project}/secrets/{self.name}-flask-key"

    @property
    def session_secret(self) -> str:
        """The secret that holds the key of browser sessions after a login at an identity provider."""
        return f"projects/{self.project}/secrets/{self.name}-session-key"

    @property
    def repository(self) -> str:
        """The Artifact Registry repository's full name."""
        return f"{self.location}/repositories/{self.name}"

    @property
    def image(self) -> str:
        """The image's path without tag or digest."""
        return f"{self.region}-docker.pkg.dev/{self.project}/{self.name}/server"

    @property
    def job(self) -> str:
        """The Cloud Run job that makes and migrates the schema."""
        return f"{self.location}/jobs/{self.name}-migrate"

    @property
    def retention_job(self) -> str:
        """The Cloud Run job that deletes old runs."""
        return f"{self.location}/jobs/{self.name}-retention"

    @property
    def schedule(self) -> str:
        """The Cloud Scheduler job that runs the retention job."""
        return f"{self.location}/jobs/{self.name}-retention"

    @property
    def migration(self) -> str:
        """The state of the database's schema; a name of ours, as Google has no such resource."""
        return f"{self.location}/instances/{self.instance_id}/migrations/{self.name}"

    @property
    def service(self) -> str:
        """The Cloud Run service."""
        return f"{self.location}/services/{self.name}"

    @property
    def iap_web(self) -> str:
        """The service as Identity-Aware Proxy calls it, whose names have the project's number."""
        return f"projects/{self.project_number}/iap_web/cloud_run-{self.region}/services/{self.name}"

    @property
    def iap_agent_member(self) -> str:
        """In whose name Identity-Aware Proxy calls the service."""
        return f"serviceAccount:service-{self.project_number}@gcp-sa-iap.iam.gserviceaccount.com"


LEASE_SUFFIX = "-lease"
"""What the name of the secret ends in that says who is changing the deployment; it has no value."""
SECRET_SUFFIXES = (
    *("-db-password", "-login-password", "-webhook-key", "-gateway-passphrase"),
    *("-admin-password", "-flask-key", "-session-key", LEASE_SUFFIX),
)
"""What the names of a deployment's own secrets end in, after the deployment's name."""
USER_DATABASES = {"mlflow": "mlflow_auth", "oidc": "mlflow_oidc"}
"""By auth mode, the database that holds users and permissions, beside the one with the runs."""


def names_of(deployment: Deployment, project_number: str) -> Names:
    """The names of *deployment* in the project with *project_number*."""
    own = f"{deployment.project}-{deployment.name}-artifacts"
    return Names(
        project=deployment.project,
        project_number=project_number,
        region=deployment.region,
        name=deployment.name,
        bucket=deployment.artifacts.bucket or own,
        instance_id=deployment.database.instance or deployment.name,
        database=deployment.database.name,
        database_user=deployment.database.user,
    )


def labels_of(deployment: Deployment) -> dict[str, str]:
    """The labels that every resource of *deployment* carries: the user's own, and the two that make it ours."""
    return {**deployment.labels, MANAGED_BY[0]: MANAGED_BY[1], DEPLOYMENT_LABEL: deployment.name}


def label_origins(deployment: Deployment) -> dict[str, Origin]:
    """Which spec line asks for each of the user's labels, by field."""
    return {f"labels.{key}": deployment.origin(f"labels.{key}") for key in deployment.labels}


def mark_of(deployment: Deployment, labels: str = "labels") -> tuple[str, str]:
    """The field and value by which a live resource is this deployment's; *labels* is what its API calls them."""
    return f"{labels}.{DEPLOYMENT_LABEL}", deployment.name
