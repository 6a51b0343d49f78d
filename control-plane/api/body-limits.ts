// Owns how large a request of the admin API may be.

export const bodyLimits = {
  /** The largest we expect elsewhere is a certificate authority beside a cluster. */
  bodyLimitBytes: 262_144,
  /** A release brings all files of its lane: five hundred of them of 16 KiB. */
  bodyLimitBytesByPath: { '/v1/releases': 8 * 1_024 * 1_024 },
} as const;
