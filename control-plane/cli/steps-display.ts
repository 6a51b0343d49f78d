// Owns how the steps of an operation look while it runs: on a terminal a block that is redrawn in place (spinner, ✓, time), in a
// pipe or a log one plain line for each thing that happened. Everything goes to stderr.
import type { OperationWithSteps } from '../client.ts';
import { cutToWidth, type Paint, printable } from './paint.ts';
import { durationText } from './parse-options.ts';

export interface StepsDisplay {
  update(operation: OperationWithSteps): void;
  /** Draws for the last time. Harmless when repeated. */
  stop(): void;
}

type Step = OperationWithSteps['steps'][number];

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/** Fast enough to look alive, slow enough to cost nothing over ssh. */
const frameMs = 80;

export function createLiveDisplay(stream: NodeJS.WriteStream, paint: Paint): StepsDisplay {
  let latest: OperationWithSteps | undefined;
  let drawn = 0;
  let frame = 0;
  let timer: NodeJS.Timeout | undefined;
  const firstSeenMs = new Map<string, number>();
  const draw = () => {
    if (latest === undefined) return;
    const lines = renderSteps(latest, {
      paint,
      spinner: frames[frame++ % frames.length] as string,
      width: stream.columns || 80,
      sinceMs: (name) => {
        const first = firstSeenMs.get(name) ?? performance.now();
        firstSeenMs.set(name, first);
        return performance.now() - first;
      },
    });
    stream.write(`${drawn === 0 ? '' : `\x1b[${drawn}A\x1b[0J`}${lines.join('\n')}\n`);
    drawn = lines.length;
  };
  return {
    update(operation) {
      latest = operation;
      draw();
      timer ??= setInterval(draw, frameMs);
    },
    stop() {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      draw();
    },
  };
}

export function createPlainDisplay(write: (line: string) => void): StepsDisplay {
  const told = new Set<string>();
  return {
    update(operation) {
      for (const step of operation.steps) {
        const line = plainLine(step);
        if (line === undefined || told.has(line)) continue;
        told.add(line);
        write(line);
      }
    },
    stop() {},
  };
}

export type StepsLook = {
  paint: Paint;
  spinner: string;
  width: number;
  /** By our own clock: the server's may be another. */
  sinceMs: (step: string) => number;
};

/** One line a step; none is wider than `width`, or the next redraw would begin at the wrong line. */
export function renderSteps(operation: OperationWithSteps, look: StepsLook): string[] {
  const { steps } = operation;
  const nameWidth = steps.reduce((widest, step) => Math.max(widest, step.name.length), 0);
  const over = operation.finished_at !== null;
  const lines = steps.map((step) => {
    const waiting = step.state === 'intended' && !over;
    const took = waiting ? look.sinceMs(step.name) : tookMs(step);
    const time = took === undefined ? '' : durationText(took);
    const trouble = step.error === null || step.state === 'done' ? '' : `  ${attemptText(step)}${step.error.message}`;
    const text = cutToWidth(printable(`${step.name.padEnd(nameWidth)}  ${time.padStart(8)}${trouble}`), look.width - 4);
    return `  ${signOf(step, over, look)} ${step.state === 'undone' ? look.paint('dim', text) : text.trimEnd()}`;
  });
  const left = operation.steps_total - steps.length;
  if (!over && operation.state !== 'undoing' && left > 0) {
    const waitingFirst = steps.length === 0 || steps.every((step) => step.state === 'done');
    const sign = waitingFirst ? look.paint('cyan', look.spinner) : ' ';
    lines.push(`  ${sign} ${look.paint('dim', `${left} more ${left === 1 ? 'step' : 'steps'}`)}`);
  }
  return lines;
}

function signOf(step: Step, over: boolean, { paint, spinner }: StepsLook): string {
  if (step.state === 'done') return paint('green', '✓');
  if (step.state === 'undone') return paint('dim', '↺');
  if (over) return paint('red', '✗');
  return step.error === null ? paint('cyan', spinner) : paint('yellow', spinner);
}

function plainLine(step: Step): string | undefined {
  const took = tookMs(step);
  if (step.state === 'done') return `${step.name}: done${took === undefined ? '' : ` in ${durationText(took)}`}`;
  if (step.state === 'undone') return `${step.name}: undone`;
  return step.error === null ? undefined : `${step.name}: ${attemptText(step)}${printable(step.error.message)}`;
}

function attemptText(step: Step): string {
  return `attempt ${step.attempts} failed: `;
}

function tookMs(step: Step): number | undefined {
  return step.finished_at === null ? undefined : Date.parse(step.finished_at) - Date.parse(step.started_at);
}
