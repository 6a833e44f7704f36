"""Roles of IAM, Resource Manager and Service Usage."""

from __future__ import annotations

from typing import Final

TEXT: Final = """
roles/orgpolicy.policyViewer listed
  orgpolicy.constraints.list
  orgpolicy.policies.list
  orgpolicy.policy.get

roles/iam.serviceAccountAdmin listed
  iam.serviceAccounts.{create,delete,disable,enable,get,getIamPolicy,list,setIamPolicy,undelete,update}
  resourcemanager.projects.{get,list}

roles/iam.serviceAccountCreator listed
  iam.serviceAccounts.{create,get,list}
  resourcemanager.projects.{get,list}

roles/iam.serviceAccountDeleter listed
  iam.serviceAccounts.{delete,get,list}
  resourcemanager.projects.{get,list}

roles/iam.serviceAccountKeyAdmin listed
  iam.serviceAccountKeys.{create,delete,disable,enable,get,list}
  iam.serviceAccounts.{get,list}
  resourcemanager.projects.{get,list}

roles/iam.serviceAccountOpenIdTokenCreator listed
  iam.serviceAccounts.getOpenIdToken

roles/iam.serviceAccountTokenCreator listed
  iam.serviceAccounts.{get,getAccessToken,getOpenIdToken,implicitDelegation,list,signBlob,signJwt}
  resourcemanager.projects.{get,list}

roles/iam.serviceAccountUser listed
  iam.serviceAccounts.{actAs,get,list}
  resourcemanager.projects.{get,list}

roles/iam.serviceAccountViewer listed
  iam.serviceAccountKeys.{get,list}
  iam.serviceAccounts.{get,getIamPolicy,list}
  resourcemanager.projects.{get,list}

roles/iam.workloadIdentityUser listed
  iam.serviceAccounts.{get,getAccessToken,getOpenIdToken,list}

roles/iam.roleAdmin known
  iam.roles.{create,delete,get,list,undelete,update}
  resourcemanager.projects.{get,getIamPolicy,list}

roles/iam.roleViewer known
  iam.roles.{get,list}
  resourcemanager.projects.{get,getIamPolicy,list}

roles/iam.workloadIdentityPoolAdmin known
  iam.workloadIdentityPools.*
  iam.workloadIdentityPoolProviders.*
  resourcemanager.projects.{get,list}

roles/iam.workloadIdentityPoolViewer known
  iam.workloadIdentityPools.{get,list}
  iam.workloadIdentityPoolProviders.{get,list}
  resourcemanager.projects.{get,list}

roles/resourcemanager.projectIamAdmin listed
  resourcemanager.projects.{get,getIamPolicy,setIamPolicy}

roles/resourcemanager.projectCreator known
  resourcemanager.projects.create

roles/resourcemanager.projectDeleter known
  resourcemanager.projects.delete

roles/resourcemanager.projectMover known
  resourcemanager.projects.{get,move,update}

roles/resourcemanager.tagUser known
  resourcemanager.{tagHolds,tagKeys,tagValueBindings,tagValues}.*

roles/resourcemanager.tagViewer known
  resourcemanager.{tagHolds,tagKeys,tagValues}.{get,list}

roles/serviceusage.apiKeysAdmin known
  serviceusage.apiKeys.*
  serviceusage.services.get

roles/serviceusage.serviceUsageAdmin listed
  monitoring.timeSeries.list
  serviceusage.operations.{cancel,delete,get,list}
  serviceusage.quotas.{get,update}
  serviceusage.services.{disable,enable,get,list,use}

roles/serviceusage.serviceUsageConsumer listed
  monitoring.timeSeries.list
  serviceusage.operations.{get,list}
  serviceusage.quotas.get
  serviceusage.services.{get,list,use}

roles/serviceusage.serviceUsageViewer listed
  monitoring.timeSeries.list
  serviceusage.operations.{get,list}
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/iap.admin partly
  iap.{web,webServiceVersions,webServices,webTypes}.{getIamPolicy,setIamPolicy}

roles/iap.httpsResourceAccessor listed
  iap.webServiceVersions.accessViaIAP

roles/iap.settingsAdmin partly
  iap.{projects,web,webServiceVersions,webServices,webTypes}.{getSettings,updateSettings}
"""
