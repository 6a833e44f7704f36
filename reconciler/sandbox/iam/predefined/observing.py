"""Roles of Cloud Logging, Cloud Monitoring and Cloud Scheduler."""

from __future__ import annotations

from typing import Final

TEXT: Final = """
roles/logging.admin listed
  logging.buckets.{copyLogEntries,create,delete,get,list,undelete,update}
  logging.{cmekSettings,usage}.get
  logging.cmekSettings.update
  logging.exclusions.{create,delete,get,list,update}
  logging.fields.access
  logging.locations.{get,list}
  logging.logEntries.{create,download,list}
  logging.logMetrics.{create,delete,get,list,update}
  logging.{logServiceIndexes,logServices,privateLogEntries}.list
  logging.logs.{delete,list}
  logging.notificationRules.{create,delete,get,list,update}
  logging.operations.{cancel,get,list}
  logging.queries.{create,delete,get,list,listShared,share,update,updateShared}
  logging.sinks.{create,delete,get,list,update}
  logging.views.{access,create,delete,get,list,listLogs,listResourceKeys,listResourceValues,update}
  resourcemanager.projects.{get,list}

roles/logging.configWriter listed
  logging.buckets.{create,delete,get,list,undelete,update}
  logging.cmekSettings.{get,update}
  logging.exclusions.{create,delete,get,list,update}
  logging.locations.{get,list}
  logging.logMetrics.{create,delete,get,list,update}
  logging.{logServiceIndexes,logServices,logs}.list
  logging.notificationRules.{create,delete,get,list,update}
  logging.operations.{cancel,get,list}
  logging.sinks.{create,delete,get,list,update}
  logging.views.{create,delete,get,list,update}
  resourcemanager.projects.{get,list}

roles/logging.logWriter listed
  logging.logEntries.create

roles/logging.viewer listed
  logging.{buckets,exclusions,locations,logMetrics,operations,sinks,views}.{get,list}
  logging.{logEntries,logServiceIndexes,logServices,logs}.list
  logging.queries.{create,delete,get,list,listShared,update}
  logging.usage.get
  resourcemanager.projects.get

roles/monitoring.admin known
  monitoring.*
  resourcemanager.projects.{get,list}
  serviceusage.services.{enable,get}

roles/monitoring.alertPolicyEditor listed
  monitoring.alertPolicies.{create,delete,get,list,update}

roles/monitoring.alertPolicyViewer known
  monitoring.alertPolicies.{get,list}

roles/monitoring.editor listed
  monitoring.{alertPolicies,dashboards,groups,publicWidgets,services,slos}.{create,delete,get,list,update}
  monitoring.metricDescriptors.{create,delete,get,list}
  monitoring.{monitoredResourceDescriptors,notificationChannelDescriptors}.{get,list}
  monitoring.notificationChannels.{create,delete,get,list,sendVerificationCode,update,verify}
  monitoring.snoozes.{create,get,list,update}
  monitoring.timeSeries.{create,list}
  monitoring.uptimeCheckConfigs.{create,delete,get,list,update}
  resourcemanager.projects.{get,list}
  serviceusage.services.{enable,get}

roles/monitoring.metricWriter listed
  monitoring.metricDescriptors.{create,get,list}
  monitoring.monitoredResourceDescriptors.{get,list}
  monitoring.timeSeries.create

roles/monitoring.notificationChannelEditor known
  monitoring.notificationChannels.{create,delete,get,list,sendVerificationCode,update,verify}

roles/monitoring.uptimeCheckConfigEditor known
  monitoring.uptimeCheckConfigs.{create,delete,get,list,update}

roles/monitoring.viewer listed
  monitoring.{alertPolicies,dashboards,groups,metricDescriptors,monitoredResourceDescriptors}.{get,list}
  monitoring.{notificationChannelDescriptors,notificationChannels,services,slos,snoozes}.{get,list}
  monitoring.timeSeries.list
  monitoring.uptimeCheckConfigs.{get,list}
  resourcemanager.projects.{get,list}

roles/cloudscheduler.admin known
  cloudscheduler.*
  resourcemanager.projects.{get,list}
  serviceusage.services.{get,list}

roles/cloudscheduler.jobRunner known
  cloudscheduler.jobs.{fullView,run}
  resourcemanager.projects.{get,list}

roles/cloudscheduler.serviceAgent known
  iam.serviceAccounts.{getAccessToken,getOpenIdToken}
  logging.logEntries.create

roles/cloudscheduler.viewer known
  cloudscheduler.jobs.{fullView,get,list}
  cloudscheduler.locations.{get,list}
  resourcemanager.projects.{get,list}
  serviceusage.services.{get,list}
"""
