"""Google's predefined roles, one module per field, as text that `roles` reads.

A paragraph is a role: its name, how it was witnessed, then its permissions, `{a,b}` standing for either. The witness
`listed` means that every permission of a service that the sandbox has was taken from `gcloud iam roles describe`, as
a public archive (iann0036/iam-dataset) keeps it; `partly` means that the archive was read in part and the rest follows
its pattern; `known` means common knowledge, unseen. Permissions of services that the sandbox has not are left out.
"""
