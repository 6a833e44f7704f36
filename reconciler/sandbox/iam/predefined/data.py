"""Roles of Cloud KMS, Cloud SQL, Secret Manager and Cloud Storage."""

from __future__ import annotations

from typing import Final

TEXT: Final = """
roles/cloudkms.admin partly
  cloudkms.cryptoKeyVersions.{destroy,get,list,restore,update}
  cloudkms.cryptoKeys.{create,get,getIamPolicy,list,setIamPolicy,update}
  cloudkms.keyRings.{create,get,getIamPolicy,list,setIamPolicy}
  cloudkms.locations.{get,list}
  resourcemanager.projects.get

roles/cloudkms.cryptoKeyDecrypter known
  cloudkms.cryptoKeyVersions.useToDecrypt
  cloudkms.locations.{get,list}
  resourcemanager.projects.get

roles/cloudkms.cryptoKeyEncrypter known
  cloudkms.cryptoKeyVersions.useToEncrypt
  cloudkms.locations.{get,list}
  resourcemanager.projects.get

roles/cloudkms.cryptoKeyEncrypterDecrypter known
  cloudkms.cryptoKeyVersions.{useToDecrypt,useToEncrypt}
  cloudkms.locations.{get,list}
  resourcemanager.projects.get

roles/cloudkms.viewer partly
  cloudkms.cryptoKeyVersions.{get,list}
  cloudkms.cryptoKeys.{get,getIamPolicy,list}
  cloudkms.keyRings.{get,getIamPolicy,list}
  cloudkms.locations.{get,list}
  resourcemanager.projects.get

roles/cloudsql.admin listed
  cloudsql.backupRuns.{create,delete,export,get,list,update}
  cloudsql.databases.{create,delete,get,list,update}
  cloudsql.instances.{addServerCa,addServerCertificate,clone,connect,create,delete,demoteMaster,executeSql,export}
  cloudsql.instances.{failover,get,getDiskShrinkConfig,import,list,listServerCas,login,migrate,performDiskShrink}
  cloudsql.instances.{promoteReplica,reencrypt,resetReplicaSize,resetSslConfig,restart,restoreBackup,rotateServerCa}
  cloudsql.instances.{startReplica,stopReplica,truncateLog,update}
  cloudsql.sslCerts.{create,delete,get,list}
  cloudsql.users.{create,delete,get,list,update}
  resourcemanager.projects.{get,list}
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/cloudsql.client listed
  cloudsql.instances.{connect,get}

roles/cloudsql.editor listed
  cloudsql.backupRuns.{create,get,list}
  cloudsql.databases.{create,get,list,update}
  cloudsql.instances.{addServerCa,connect,export,failover,get,list,listServerCas,restart,rotateServerCa,truncateLog}
  cloudsql.instances.update
  cloudsql.sslCerts.{get,list}
  cloudsql.users.list
  resourcemanager.projects.{get,list}
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/cloudsql.instanceUser listed
  cloudsql.instances.{get,login}

roles/cloudsql.serviceAgent listed
  cloudsql.instances.get

roles/cloudsql.studioUser listed
  cloudsql.databases.list
  cloudsql.instances.{executeSql,get,login}
  cloudsql.users.list
  serviceusage.services.{get,list}

roles/cloudsql.viewer listed
  cloudsql.backupRuns.{get,list}
  cloudsql.databases.{get,list}
  cloudsql.instances.{export,get,getDiskShrinkConfig,list,listServerCas}
  cloudsql.sslCerts.{get,list}
  cloudsql.users.{get,list}
  resourcemanager.projects.{get,list}
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/secretmanager.admin listed
  resourcemanager.projects.{get,list}
  secretmanager.locations.{get,list}
  secretmanager.secrets.{create,delete,get,getIamPolicy,list,setIamPolicy,update}
  secretmanager.versions.{access,add,destroy,disable,enable,get,list}

roles/secretmanager.secretAccessor listed
  resourcemanager.projects.{get,list}
  secretmanager.versions.access

roles/secretmanager.secretVersionAdder listed
  resourcemanager.projects.{get,list}
  secretmanager.versions.add

roles/secretmanager.secretVersionManager listed
  resourcemanager.projects.{get,list}
  secretmanager.versions.{add,destroy,disable,enable,get,list}

roles/secretmanager.viewer listed
  resourcemanager.projects.{get,list}
  secretmanager.locations.{get,list}
  secretmanager.secrets.{get,getIamPolicy,list}
  secretmanager.versions.{get,list}

roles/storage.admin listed
  orgpolicy.policy.get
  resourcemanager.projects.{get,list}
  storage.anywhereCaches.{create,disable,get,list,pause,resume,update}
  storage.bucketOperations.{cancel,get,list}
  storage.buckets.{create,delete,enableObjectRetention,get,getIamPolicy,getIpFilter,getObjectInsights,list,relocate}
  storage.buckets.{restore,setIamPolicy,setIpFilter,update}
  storage.folders.{create,delete,get,list,rename}
  storage.managedFolders.{create,delete,get,getIamPolicy,list,setIamPolicy}
  storage.multipartUploads.{abort,create,list,listParts}
  storage.objects.{create,delete,get,getIamPolicy,list,move,overrideUnlockedRetention,restore,setIamPolicy}
  storage.objects.{setRetention,update}

roles/storage.bucketViewer listed
  storage.buckets.{get,list}

roles/storage.hmacKeyAdmin known
  resourcemanager.projects.{get,list}
  storage.hmacKeys.{create,delete,get,list,update}

roles/storage.insightsCollectorService known
  storage.buckets.{get,getObjectInsights}

roles/storage.legacyBucketOwner listed
  storage.bucketOperations.{cancel,get,list}
  storage.buckets.{enableObjectRetention,get,getIamPolicy,getIpFilter,restore,setIamPolicy,setIpFilter,update}
  storage.folders.{create,delete,get,list,rename}
  storage.managedFolders.{create,delete,get,getIamPolicy,list,setIamPolicy}
  storage.multipartUploads.{abort,create,list,listParts}
  storage.objects.{create,delete,list,restore,setRetention}

roles/storage.legacyBucketReader listed
  storage.buckets.get
  storage.multipartUploads.list
  storage.objects.list

roles/storage.legacyBucketWriter listed
  storage.buckets.get
  storage.multipartUploads.{abort,create,list,listParts}
  storage.objects.{create,delete,list}

roles/storage.legacyObjectOwner listed
  storage.objects.{get,getIamPolicy,setIamPolicy,update}

roles/storage.legacyObjectReader known
  storage.objects.get

roles/storage.objectAdmin listed
  orgpolicy.policy.get
  resourcemanager.projects.{get,list}
  storage.folders.{create,delete,get,list,rename}
  storage.managedFolders.{create,delete,get,list}
  storage.multipartUploads.{abort,create,list,listParts}
  storage.objects.{create,delete,get,getIamPolicy,list,move,overrideUnlockedRetention,restore,setIamPolicy}
  storage.objects.{setRetention,update}

roles/storage.objectCreator listed
  resourcemanager.projects.{get,list}
  storage.folders.create
  storage.managedFolders.create
  storage.multipartUploads.{abort,create,listParts}
  storage.objects.create

roles/storage.objectUser listed
  resourcemanager.projects.{get,list}
  storage.folders.{create,delete,get,list,rename}
  storage.managedFolders.{create,delete,get,list}
  storage.multipartUploads.{abort,create,list,listParts}
  storage.objects.{create,delete,get,list,move,restore,update}

roles/storage.objectViewer listed
  resourcemanager.projects.{get,list}
  storage.folders.{get,list}
  storage.managedFolders.{get,list}
  storage.objects.{get,list}
"""
