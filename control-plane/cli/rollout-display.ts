// Owns how a rollout looks while it runs: on a terminal a block of waves, clusters and pace that is redrawn in place under the
// failures as they come; in a pipe or a log a line when something changes and every few seconds between. The block has a bounded
// height, so it reads the same for 10 tenants and for 10,000.
import type { RolloutMember, RolloutView } from '../client.ts';
import { cutToWidth, type Paint, printable } from './paint.ts';
import { durationText } from './parse-options.ts';
import { createPace, endedOf, type Pace } from './rollout-pace.ts';
import { windowText } from './window-text.ts';

export interface RolloutDisplay {
  update(rollout: RolloutView): void;
  failed(member: RolloutMember): void;
  /** Draws for the last time. Harmless when repeated. */
  stop(): void;
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const frameMs = 120;
/** Rows of waves and of clusters; what does not fit is told in a line. */
const rowsMax = 8;
/** Failures told one by one; the others are counted. */
export const failuresToldMax = 20;
const barWidth = 24;

export function createLiveRollout(stream: NodeJS.WriteStream, paint: Paint): RolloutDisplay {
  const paceOf = createPace();
  // A terminal that does not tell its width says 0.
  const widthNow = () => stream.columns || 80;
  const startedMs = performance.now();
  let latest: RolloutView | undefined;
  let pace: Pace = { perSec: 0, leftMs: null };
  let [drawn, frame, told] = [0, 0, 0];
  let timer: NodeJS.Timeout | undefined;
  const erase = () => {
    if (drawn > 0) stream.write(`\x1b[${drawn}A\x1b[0J`);
    drawn = 0;
  };
  const draw = () => {
    if (latest === undefined) return;
    const look = {
      paint,
      spinner: frames[frame++ % frames.length] as string,
      width: widthNow(),
      pace,
      watchedMs: performance.now() - startedMs,
    };
    const lines = renderRollout(latest, look);
    erase();
    stream.write(`${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  return {
    update(rollout) {
      latest = rollout;
      pace = paceOf(rollout, performance.now());
      draw();
      timer ??= setInterval(draw, frameMs);
    },
    failed(member) {
      told++;
      if (told > failuresToldMax) return;
      erase();
      stream.write(`${cutToWidth(failureLine(member), widthNow() - 1)}\n`);
      draw();
    },
    stop() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      draw();
    },
  };
}

/** So often a line comes when nothing but numbers has changed. */
const plainEveryMs = 5_000;

export function createPlainRollout(write: (line: string) => void, nowMs = () => performance.now()): RolloutDisplay {
  const paceOf = createPace();
  let [stage, toldMs, told] = ['', Number.NEGATIVE_INFINITY, 0];
  return {
    update(rollout) {
      const pace = paceOf(rollout, nowMs());
      const wave = waveAtWork(rollout);
      const now = `${rollout.state} ${wave?.position} ${wave?.state}`;
      if (now === stage && nowMs() - toldMs < plainEveryMs) return;
      [stage, toldMs] = [now, nowMs()];
      const at = wave === undefined ? '' : `wave ${wave.position + 1}/${rollout.waves.length} ${printable(wave.name)} `;
      const does = wave === undefined ? '' : `${hoursOf(rollout, wave) ?? wave.state} · `;
      write(`${rollout.state}: ${at}${does}${summaryOf(rollout, pace)}`);
    },
    failed(member) {
      told++;
      if (told <= failuresToldMax) write(failureLine(member));
      else if (told === failuresToldMax + 1) write('… further failures are counted, not listed');
    },
    stop() {},
  };
}

export type RolloutLook = { paint: Paint; spinner: string; width: number; pace: Pace; watchedMs: number | undefined };

/** No line is wider than `width`, or the next redraw would begin at the wrong line. */
export function renderRollout(rollout: RolloutView, look: RolloutLook): string[] {
  const { paint, width } = look;
  const cut = (text: string) => cutToWidth(printable(text), width - 4);
  const current = waveAtWork(rollout)?.position ?? rollout.waves.length;
  const first = Math.max(0, Math.min(current - rowsMax + 3, rollout.waves.length - rowsMax));
  const waves = rollout.waves.slice(first, first + rowsMax);
  const clusters = rollout.clusters.slice(0, rowsMax);
  const names = [...waves, ...clusters].map(({ name }) => name.length);
  const nameWidth = Math.min(30, Math.max(0, ...names));
  const row = (sign: string, name: string, counts: RolloutView['counts'], more = '') => {
    const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
    const ended = endedOf({ counts });
    const failed = counts.failed > 0 ? ` ${counts.failed} failed` : '';
    return `  ${sign} ${cut(`${cutToWidth(name, nameWidth).padEnd(nameWidth)}  ${barOf(ended, total)} ${ended}/${total}${failed}${more}`)}`;
  };
  return [
    ...(first > 0 ? [`  ${paint('green', '✓')} ${paint('dim', cut(`${first} waves before`))}`] : []),
    ...waves.map((wave) => row(signOf(wave, rollout, look), wave.name, wave.counts, doingOf(rollout, wave))),
    ...laterLine(rollout.waves.length - first - waves.length, 'more waves', look),
    ...(clusters.length < 2
      ? []
      : clusters.map((each) => row(paint('dim', '·'), each.name, each.counts, each.reachable ? '' : ' away'))),
    ...laterLine(rollout.clusters.length - clusters.length, 'more clusters', look),
    `  ${cut([rollout.state, summaryOf(rollout, look.pace), ...watched(look)].join(' · '))}`,
  ];
}

function watched({ watchedMs }: RolloutLook): string[] {
  return watchedMs === undefined ? [] : [`watched ${durationText(watchedMs)}`];
}

function laterLine(count: number, what: string, { paint, width }: RolloutLook): string[] {
  return count > 0 ? [`    ${paint('dim', cutToWidth(`${count} ${what}`, width - 4))}`] : [];
}

function signOf(wave: RolloutView['waves'][number], { state }: RolloutView, { paint, spinner }: RolloutLook): string {
  if (wave.state === 'done') return wave.counts.failed > 0 ? paint('yellow', '!') : paint('green', '✓');
  if (wave.state === 'waiting') return ' ';
  if (state === 'running') return paint('cyan', spinner);
  return state === 'halted' ? paint('red', '✗') : paint('dim', '‖');
}

function doingOf(rollout: RolloutView, wave: RolloutView['waves'][number]): string {
  if (wave.state === 'baking') return ' bakes';
  const hours = hoursOf(rollout, wave);
  return hours === undefined ? '' : ` ${hours}`;
}

/** Of the wave whose turn it is, while its hours have not come. */
function hoursOf(rollout: RolloutView, wave: RolloutView['waves'][number]): string | undefined {
  const { state, maintenance_window: window } = wave;
  const isNext = rollout.state === 'running' && state === 'waiting' && waveAtWork(rollout) === wave;
  return isNext && window !== null ? `waits for ${windowText(window)}` : undefined;
}

/** The one that runs or bakes, else the next one. */
function waveAtWork({ waves }: RolloutView): RolloutView['waves'][number] | undefined {
  return (
    waves.find(({ state }) => state === 'running' || state === 'baking') ??
    waves.find(({ state }) => state === 'waiting')
  );
}

export function summaryOf(rollout: RolloutView, { perSec, leftMs }: Pace): string {
  const { counts, members } = rollout;
  const wave = waveAtWork(rollout);
  const waitsForHours = wave !== undefined && hoursOf(rollout, wave) !== undefined;
  return [
    `${endedOf(rollout)} of ${members}`,
    ...(perSec > 0 ? [`${perSec.toFixed(1)}/s`] : []),
    ...(leftMs !== null && !waitsForHours ? [`${durationText(leftMs)} left`] : []),
    ...(counts.failed > 0 ? [`${counts.failed} failed`] : []),
    ...(counts.skipped > 0 ? [`${counts.skipped} skipped`] : []),
  ].join(' · ');
}

function barOf(ended: number, total: number): string {
  const full = total === 0 ? barWidth : Math.floor((ended / total) * barWidth);
  return '█'.repeat(full) + '░'.repeat(barWidth - full);
}

export function failureLine({ slug, database_id, cluster, error }: RolloutMember): string {
  const place = error?.file === undefined ? '' : ` in ${error.file}${error.line === undefined ? '' : `:${error.line}`}`;
  const state = error?.sqlstate === undefined ? '' : `${error.sqlstate} `;
  return printable(`✗ ${slug ?? database_id} on ${cluster.name}: ${state}${error?.message ?? 'failed'}${place}`);
}
