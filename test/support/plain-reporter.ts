// Owns the last lines of a test run, for programs that read them: what was skipped for want of a component, what passed
// only at its second try (to be mended, never ignored), and then `N passed, N failed` (with `, N skipped` if any), without
// colours. Works beside the default reporter.
import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

export default class PlainReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[], reason: TestRunEndReason): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0, pending: 0 };
    const missing = new Set<string>();
    const second: string[] = [];
    for (const module of modules) {
      let inModule = 0;
      for (const item of module.children.allTests()) {
        const { state } = item.result();
        count[state] += 1;
        if (state === 'failed') inModule += 1;
        if (item.diagnostic()?.flaky) second.push(`passed at its second try: ${module.relativeModuleId}: ${item.name}`);
      }
      // A file that does not load, or a hook that fails, has no failed test of its own.
      if (module.state() === 'failed' && inModule === 0) count.failed += 1;
      for (const suite of module.children.allSuites()) {
        const line = /\((skipped: .+)\)$/.exec(suite.name)?.[1];
        if (line !== undefined) missing.add(line);
      }
    }
    if (reason !== 'passed' && count.failed === 0) count.failed = 1; // interrupted, or nothing was run
    count.skipped += count.pending;
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    process.stdout.write(
      [...missing, ...second, `${count.passed} passed, ${count.failed} failed${skipped}`, ''].join('\n'),
    );
  }
}
