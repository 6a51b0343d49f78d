// Owns adding up what PostgreSQL gives as text: exact for whole and decimal numbers of any size, as its own sum() is; floating
// point only where a value is one that cannot be written otherwise.

export type ExactSum = { add(text: string): void; text(): string };

export function createSum(): ExactSum {
  let [units, scale, floating] = [0n, 0, 0];
  let isFloating = false;
  return {
    add(text) {
      const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
      if (whole === '') {
        isFloating = true;
        floating += Number(text);
        return;
      }
      if (fraction.length > scale) {
        units *= 10n ** BigInt(fraction.length - scale);
        scale = fraction.length;
      }
      units += BigInt(`${sign}${whole}${fraction.padEnd(scale, '0')}`);
    },
    text() {
      const exact = decimalText(units, scale);
      return isFloating ? String(Number(exact) + floating) : exact;
    },
  };
}

function decimalText(units: bigint, scale: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return units < 0n ? `-${text}` : text;
}

const numericTypes: ReadonlySet<string> = new Set([
  'bigint',
  'smallint',
  'integer',
  'real',
  'double precision',
  'numeric',
]);

export function isNumeric(type: string): boolean {
  return numericTypes.has(type);
}
