"""Roles of Cloud Run, Artifact Registry and Cloud Build."""

from __future__ import annotations

from typing import Final

TEXT: Final = """
roles/run.admin listed
  resourcemanager.projects.{get,list}
  run.{configurations,routes,tasks}.{get,list}
  run.executions.{cancel,delete,get,list}
  run.jobs.{create,delete,get,getIamPolicy,list,run,runWithOverrides,setIamPolicy,update}
  run.locations.list
  run.operations.{delete,get,list}
  run.revisions.{delete,get,list}
  run.routes.invoke
  run.services.{create,delete,get,getIamPolicy,list,setIamPolicy,update}
  run.workerpools.{create,delete,get,getIamPolicy,list,setIamPolicy,update}

roles/run.builder listed
  artifactregistry.repositories.{deleteArtifacts,downloadArtifacts,uploadArtifacts}
  logging.logEntries.create
  storage.objects.get

roles/run.developer listed
  resourcemanager.projects.{get,list}
  run.{configurations,routes,tasks}.{get,list}
  run.executions.{cancel,delete,get,list}
  run.jobs.{create,delete,get,getIamPolicy,list,run,runWithOverrides,update}
  run.locations.list
  run.operations.{delete,get,list}
  run.revisions.{delete,get,list}
  run.routes.invoke
  run.services.{create,delete,get,getIamPolicy,list,update}
  run.workerpools.{create,delete,get,getIamPolicy,list,update}

roles/run.invoker listed
  run.routes.invoke

roles/run.jobsExecutor listed
  run.executions.cancel
  run.jobs.run

roles/run.jobsExecutorWithOverrides listed
  run.executions.cancel
  run.jobs.{run,runWithOverrides}

roles/run.serviceAgent listed
  artifactregistry.{dockerimages,files,packages,tags,versions}.{get,list}
  artifactregistry.locations.{get,list}
  artifactregistry.repositories.{downloadArtifacts,exportArtifacts,get,list,readViaVirtualRepository,uploadArtifacts}
  cloudbuild.builds.{create,get}
  compute.addresses.{create,createInternal,delete,deleteInternal,get,list}
  compute.globalOperations.get
  compute.networks.{access,get}
  compute.regionOperations.get
  compute.subnetworks.{get,use}
  compute.zoneOperations.get
  iam.serviceAccounts.{actAs,getAccessToken,getOpenIdToken,signBlob}
  resourcemanager.projects.{get,getIamPolicy,list}
  run.routes.invoke
  serviceusage.services.{get,use}
  storage.buckets.{create,get,update}
  storage.{folders,managedFolders}.{get,list}
  storage.objects.{create,delete,get,list,update}
  vpcaccess.connectors.get

roles/run.servicesInvoker listed
  run.routes.invoke

roles/run.sourceDeveloper listed
  artifactregistry.repositories.{create,get,list}
  cloudbuild.builds.{create,get,list,update}
  resourcemanager.projects.{get,list}
  run.{configurations,routes,tasks}.{get,list}
  run.executions.{cancel,delete,get,list}
  run.jobs.{create,delete,get,getIamPolicy,list,run,runWithOverrides,update}
  run.locations.list
  run.operations.{delete,get,list}
  run.revisions.{delete,get,list}
  run.routes.invoke
  run.services.{create,delete,get,getIamPolicy,list,update}
  serviceusage.quotas.get
  serviceusage.services.{get,list}
  storage.buckets.{create,get,list}
  storage.managedFolders.{create,get,list}
  storage.multipartUploads.{abort,create,listParts}
  storage.objects.{create,get,list}

roles/run.sourceViewer listed
  artifactregistry.repositories.{get,list}
  cloudbuild.builds.{get,list}
  resourcemanager.projects.{get,list}
  run.{configurations,executions,jobs,operations,revisions,routes,services,tasks}.{get,list}
  run.{jobs,services}.getIamPolicy
  run.locations.list
  serviceusage.quotas.get
  serviceusage.services.{get,list}
  storage.managedFolders.{get,list}
  storage.objects.{get,list}

roles/run.viewer listed
  resourcemanager.projects.{get,list}
  run.{configurations,executions,jobs,operations,revisions,routes,services,tasks,workerpools}.{get,list}
  run.{jobs,services,workerpools}.getIamPolicy
  run.locations.list

roles/artifactregistry.admin listed
  artifactregistry.{dockerimages,locations,mavenartifacts,npmpackages,pythonpackages}.{get,list}
  artifactregistry.files.{delete,download,get,list,update,upload}
  artifactregistry.packages.{delete,get,list,update}
  artifactregistry.projectsettings.{get,update}
  artifactregistry.repositories.{create,delete,deleteArtifacts,downloadArtifacts,get,getIamPolicy,list}
  artifactregistry.repositories.{readViaVirtualRepository,setIamPolicy,update,uploadArtifacts}
  artifactregistry.rules.{create,delete,get,list,update}
  artifactregistry.tags.{create,delete,get,list,update}
  artifactregistry.versions.{delete,get,list,update}

roles/artifactregistry.containerRegistryMigrationAdmin known
  artifactregistry.repositories.{create,get,getIamPolicy,list,setIamPolicy,update}
  artifactregistry.projectsettings.{get,update}

roles/artifactregistry.createOnPushRepoAdmin known
  artifactregistry.{dockerimages,files,locations,packages,repositories,tags,versions}.{get,list}
  artifactregistry.repositories.{createOnPush,deleteArtifacts,downloadArtifacts,uploadArtifacts}
  artifactregistry.{packages,tags,versions}.delete
  artifactregistry.tags.{create,update}

roles/artifactregistry.createOnPushWriter partly
  artifactregistry.{dockerimages,files,locations,mavenartifacts,npmpackages,packages,pythonpackages}.{get,list}
  artifactregistry.files.{download,update}
  artifactregistry.packages.update
  artifactregistry.projectsettings.get
  artifactregistry.repositories.{createOnPush,downloadArtifacts,get,list,readViaVirtualRepository,uploadArtifacts}
  artifactregistry.tags.{create,get,list,update}
  artifactregistry.versions.{get,list}

roles/artifactregistry.reader listed
  artifactregistry.{dockerimages,files,locations,mavenartifacts,npmpackages,packages,pythonpackages}.{get,list}
  artifactregistry.projectsettings.get
  artifactregistry.repositories.{downloadArtifacts,get,list,readViaVirtualRepository}
  artifactregistry.{tags,versions}.{get,list}

roles/artifactregistry.repoAdmin listed
  artifactregistry.{dockerimages,files,locations,mavenartifacts,npmpackages,packages,pythonpackages}.{get,list}
  artifactregistry.files.{delete,download}
  artifactregistry.projectsettings.get
  artifactregistry.repositories.{deleteArtifacts,downloadArtifacts,get,list,readViaVirtualRepository}
  artifactregistry.repositories.uploadArtifacts
  artifactregistry.{packages,versions}.delete
  artifactregistry.tags.{create,delete,get,list,update}
  artifactregistry.versions.{get,list}

roles/artifactregistry.serviceAgent known
  storage.{buckets,objects}.{get,list}

roles/artifactregistry.writer listed
  artifactregistry.{dockerimages,files,locations,mavenartifacts,npmpackages,packages,pythonpackages}.{get,list}
  artifactregistry.files.{download,update}
  artifactregistry.packages.update
  artifactregistry.projectsettings.get
  artifactregistry.repositories.{downloadArtifacts,get,list,readViaVirtualRepository,uploadArtifacts}
  artifactregistry.tags.{create,get,list,update}
  artifactregistry.versions.{get,list}

roles/cloudbuild.builds.approver listed
  cloudbuild.builds.{approve,get,list}
  resourcemanager.projects.{get,list}

roles/cloudbuild.builds.builder listed
  artifactregistry.{dockerimages,files,packages,repositories,tags,versions}.{get,list}
  artifactregistry.repositories.{downloadArtifacts,uploadArtifacts}
  artifactregistry.tags.{create,update}
  cloudbuild.builds.{create,get,list,update}
  cloudbuild.workerpools.use
  logging.logEntries.{create,list}
  logging.views.access
  resourcemanager.projects.{get,list}
  storage.buckets.{create,get,list}
  storage.objects.{create,delete,get,list,update}

roles/cloudbuild.builds.editor listed
  cloudbuild.builds.{create,get,list,update}
  resourcemanager.projects.{get,list}

roles/cloudbuild.builds.viewer listed
  cloudbuild.builds.{get,list}
  resourcemanager.projects.{get,list}

roles/cloudbuild.serviceAgent listed
  artifactregistry.{dockerimages,files,locations,packages,repositories,tags,versions}.{get,list}
  artifactregistry.repositories.{createOnPush,downloadArtifacts,readViaVirtualRepository,uploadArtifacts}
  artifactregistry.tags.{create,update}
  cloudbuild.builds.{create,get,list,update}
  cloudbuild.workerpools.use
  compute.{networks,subnetworks}.get
  compute.firewalls.{get,list}
  iam.serviceAccounts.{get,getAccessToken,getOpenIdToken}
  logging.buckets.{create,get,list}
  logging.logEntries.{create,list}
  logging.views.access
  resourcemanager.projects.{get,list}
  serviceusage.services.use
  storage.buckets.{create,get,list}
  storage.objects.{create,delete,get,list,update}

roles/cloudbuild.workerPoolUser known
  cloudbuild.workerpools.use
"""
