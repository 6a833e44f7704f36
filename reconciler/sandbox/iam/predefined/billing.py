"""Roles of Cloud Billing, granted on a billing account."""

from __future__ import annotations

from typing import Final

TEXT: Final = """
roles/billing.admin known
  billing.accounts.{close,get,getIamPolicy,list,move,reopen,setIamPolicy,update}
  billing.budgets.{create,delete,get,list,update}
  resourcemanager.projects.{createBillingAssignment,deleteBillingAssignment}

roles/billing.costsManager known
  billing.accounts.{get,getIamPolicy,list}
  billing.budgets.{create,delete,get,list,update}

roles/billing.viewer known
  billing.accounts.{get,getIamPolicy,list}
  billing.budgets.{get,list}
"""
