// Owns the roles of the admin API. Which role may call which route stands beside each route; this file says what the words mean.

export const adminRoles = ['viewer', 'sales', 'operator', 'dba', 'owner'] as const;
export type AdminRole = (typeof adminRoles)[number];

export const roleMeanings: Readonly<Record<AdminRole, string>> = {
  viewer: 'reads tenants, clusters, plans and operations',
  sales: 'also creates and renames tenants and chooses their plan',
  operator:
    'also suspends, resumes, deletes and undeletes tenants, mints tenant tokens, cancels and retries operations',
  dba: 'also registers and drains clusters and runs fsck; may not create or delete tenants',
  owner: 'everything, with API keys, plans and signing keys',
};
