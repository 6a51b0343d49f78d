// Owns the two things that postgres.js does not tell about the byte stream: the transaction status in ReadyForQuery,
// and the reason in a FATAL error that no statement was waiting for. Both stand at the end of what the server sent.

export type TransactionStatus = 'idle' | 'in-transaction' | 'failed-transaction';

/** The status in a ReadyForQuery that ends the chunk; undefined if something else ends it. */
export function statusAtEnd(chunk: Buffer): TransactionStatus | undefined {
  const start = chunk.length - 6;
  if (start < 0 || chunk[start] !== 0x5a || chunk.readUInt32BE(start + 1) !== 5) return undefined;
  return statuses[chunk[start + 5] as number];
}

const statuses: Record<number, TransactionStatus | undefined> = {
  73: 'idle', // I
  84: 'in-transaction', // T
  69: 'failed-transaction', // E
};

/** SQLSTATE of the FATAL or PANIC error in the chunk. Used as a label only: data that looks alike does no harm. */
export function fatalStateIn(chunk: Buffer): string | undefined {
  // A pooler sends no field V.
  for (const mark of ['VFATAL\0C', 'VPANIC\0C', 'SFATAL\0C']) {
    const at = chunk.lastIndexOf(mark, chunk.length, 'latin1');
    if (at !== -1) return chunk.toString('latin1', at + mark.length, at + mark.length + 5);
  }
  return undefined;
}
