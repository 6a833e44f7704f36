"""The basic roles, and those that reach over every service."""

from __future__ import annotations

from typing import Final

TEXT: Final = """
roles/owner known
  *

roles/editor partly
  {artifactregistry,cloudbuild,compute,logging,monitoring,run,vpcaccess}.*.{create,delete,get,list,update,use,cancel}
  cloudscheduler.*
  cloudsql.*
  iam.{roles,serviceAccountKeys,serviceAccounts}.{create,delete,disable,enable,get,list,update,undelete}
  iam.serviceAccounts.{actAs,getIamPolicy}
  {artifactregistry,cloudbuild,compute,run,secretmanager}.*.getIamPolicy
  artifactregistry.repositories.{deleteArtifacts,downloadArtifacts,uploadArtifacts}
  run.jobs.{run,runWithOverrides}
  run.routes.invoke
  compute.*.{setLabels,createInternal,deleteInternal,updatePolicy,addPeering,removePeering,updatePeering}
  compute.*.{expandIpCidrRange,setPrivateIpGoogleAccess,useExternalIp,useInternal,access}
  resourcemanager.projects.{get,getIamPolicy,list,update}
  secretmanager.*.{create,delete,get,list,update}
  secretmanager.versions.{add,destroy,disable,enable}
  servicenetworking.operations.{cancel,delete,get,list}
  servicenetworking.services.{deleteConnection,get,getConsumerConfig,use}
  serviceusage.operations.{cancel,delete,get,list}
  serviceusage.services.{disable,enable,get,list,use}
  storage.buckets.{create,delete,list}
  storage.hmacKeys.{create,delete,get,list,update}

roles/viewer partly
  {artifactregistry,cloudbuild,cloudsql,compute,iam,logging,monitoring,run,secretmanager,vpcaccess}.*.{get,list}
  cloudscheduler.*.{get,list}
  {artifactregistry,cloudbuild,compute,iam,run,secretmanager}.*.getIamPolicy
  artifactregistry.repositories.downloadArtifacts
  resourcemanager.projects.{get,getIamPolicy,list}
  servicenetworking.operations.{get,list}
  servicenetworking.services.{get,getConsumerConfig}
  serviceusage.services.{get,list}
  storage.buckets.list
  storage.folders.{get,list}
  storage.hmacKeys.{get,list}

roles/browser listed
  resourcemanager.projects.{get,getIamPolicy,list}

roles/iam.securityAdmin partly
  *.*.{getIamPolicy,list,setIamPolicy}

roles/iam.securityReviewer partly
  *.*.{getIamPolicy,list}
"""
