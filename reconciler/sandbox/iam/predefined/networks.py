"""Roles of Compute Engine's networks, Service Networking and Serverless VPC Access."""

from __future__ import annotations

from typing import Final

TEXT: Final = """
roles/compute.admin known
  compute.*
  resourcemanager.projects.{get,list}
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/compute.networkAdmin partly
  compute.{addresses,globalAddresses}.{create,createInternal,delete,deleteInternal,get,list,setLabels,use}
  compute.addresses.useInternal
  compute.firewalls.{get,list}
  compute.{globalOperations,regionOperations,regions,zones}.{get,list}
  compute.networks.{access,addPeering,create,delete,get,getEffectiveFirewalls,getRegionEffectiveFirewalls,list}
  compute.networks.{listPeeringRoutes,mirror,removePeering,setFirewallPolicy,switchToCustomMode,update}
  compute.networks.{updatePeering,updatePolicy,use,useExternalIp}
  compute.projects.get
  compute.{routers,routes}.{create,delete,get,list,update,use}
  compute.subnetworks.{create,delete,expandIpCidrRange,get,getIamPolicy,list,mirror,setIamPolicy}
  compute.subnetworks.{setPrivateIpGoogleAccess,update,use,useExternalIp}
  compute.zoneOperations.{get,list}
  resourcemanager.projects.{get,list}
  servicenetworking.operations.get
  servicenetworking.services.{addPeering,createPeeredDnsDomain,deleteConnection,deletePeeredDnsDomain}
  servicenetworking.services.{disableVpcServiceControls,enableVpcServiceControls,get,listPeeredDnsDomains}
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/compute.networkUser listed
  compute.addresses.{createInternal,deleteInternal,get,list,useInternal}
  compute.{firewalls,regions,routers,routes,zones}.{get,list}
  compute.networks.{access,get,getEffectiveFirewalls,getRegionEffectiveFirewalls,list,listPeeringRoutes,use}
  compute.networks.useExternalIp
  compute.projects.get
  compute.subnetworks.{get,list,use,useExternalIp}
  resourcemanager.projects.{get,list}
  servicenetworking.services.get
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/compute.networkViewer listed
  compute.{addresses,firewalls,globalAddresses,regions,routers,routes,subnetworks,zones}.{get,list}
  compute.networks.{get,getEffectiveFirewalls,getRegionEffectiveFirewalls,list,listPeeringRoutes}
  compute.projects.get
  resourcemanager.projects.{get,list}
  servicenetworking.services.get
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/compute.securityAdmin known
  compute.firewalls.{create,delete,get,list,update}
  compute.{globalOperations,networks,projects,regionOperations,regions,routes,subnetworks,zones}.{get,list}
  compute.networks.updatePolicy
  resourcemanager.projects.{get,list}
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/compute.viewer known
  compute.*.{get,getIamPolicy,list}
  resourcemanager.projects.{get,list}
  serviceusage.quotas.get
  serviceusage.services.{get,list}

roles/servicenetworking.networksAdmin partly
  servicenetworking.operations.{cancel,delete,get,list}
  servicenetworking.services.{addPeering,addSubnetwork,deleteConnection,get}

roles/servicenetworking.serviceAgent listed
  compute.globalAddresses.{get,list}
  compute.globalOperations.get
  compute.networks.{addPeering,create,delete,get,list,listPeeringRoutes,removePeering,update,updatePeering}
  compute.networks.updatePolicy
  compute.projects.get
  compute.regionOperations.get
  compute.routers.{get,list}
  compute.routes.list
  compute.subnetworks.{create,delete,get,list}
  resourcemanager.projects.{get,list}

roles/vpcaccess.admin listed
  resourcemanager.projects.{get,list}
  vpcaccess.connectors.{create,delete,get,list,update}
  vpcaccess.locations.list
  vpcaccess.operations.{get,list}

roles/vpcaccess.serviceAgent partly
  compute.{disks,firewalls,healthChecks,images,instanceGroupManagers,instanceTemplates,instances,subnetworks}.*
  compute.{machineTypes,networks,projects,regionOperations,regions,zoneOperations,zones}.get
  compute.networks.use
  logging.logEntries.create
  resourcemanager.projects.get

roles/vpcaccess.user listed
  compute.networks.access
  resourcemanager.projects.{get,list}
  vpcaccess.connectors.{get,list}
  vpcaccess.locations.list
  vpcaccess.operations.{get,list}

roles/vpcaccess.viewer listed
  resourcemanager.projects.{get,list}
  vpcaccess.connectors.{get,list}
  vpcaccess.locations.list
  vpcaccess.operations.{get,list}
"""
