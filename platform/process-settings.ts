// Owns the settings that every process of ours has.
import { defineConfig, setting } from './config.ts';

export const processSettings = defineConfig({
  FREEHOLD_SHUTDOWN_GRACE_MS: {
    schema: setting.ms(0, 600_000),
    default: 15_000,
    help: 'Time to finish work in hand after SIGTERM.',
  },
  FREEHOLD_LOG_LEVEL: {
    schema: setting.oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent']),
    default: 'info',
    help: 'Lowest level that is logged.',
  },
});
