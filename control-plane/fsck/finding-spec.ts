// Owns the shape of one line of fsck's table of findings.

/** 'error' breaks a promise or a tenant; 'warning' is left over or drifted; 'notice' is only good to know. */
export type FsckSeverity = 'error' | 'warning' | 'notice';

export type FindingSpec = {
  readonly severity: FsckSeverity;
  readonly cause: string;
  readonly next: string;
  /** True where the operation in progress is itself what is wrong. */
  readonly evenInProgress?: true;
};

export type FindingTable = Readonly<Record<string, FindingSpec>>;

/** Causes that many findings share. */
export const byHand = 'Somebody with a superuser changed it by hand.';
export const restored = 'The catalog or the cluster was restored from a backup, or rows were changed by hand.';
