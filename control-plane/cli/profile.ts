// Owns which server a command speaks to and with which key: flags, then --profile, then the environment, then the profile of this
// clone (`npm start` writes it), then the one in the home folder. A key is sent only to the server it was stored with: a URL
// from one place is never joined with a key of a profile that names another URL.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CliError } from './cli-error.ts';

export type Target = { url: string; apiKey: string; runtimeUrl?: string; from: string };

export type ProfileFlags = { url?: string; apiKey?: string; profile?: string };

type Environment = Readonly<Record<string, string | undefined>>;
type Profile = { url: string; apiKey: string; runtimeUrl?: string };

const cloneRoot = path.resolve(import.meta.dirname, '../..');

/** @throws CliError that names every place that was looked at */
export function findTarget(flags: ProfileFlags, env: Environment, root: string = cloneRoot): Target {
  // A profile that is named on the command line is meant: it wins over what the shell happens to carry.
  const named = flags.profile === undefined;
  const url = flags.url ?? (named ? env.FREEHOLD_URL : undefined);
  const apiKey = flags.apiKey ?? (named ? keyOfEnvironment(env) : undefined);
  if (url !== undefined && apiKey !== undefined) {
    return { url: checkUrl(url), apiKey: checkKey(apiKey), from: 'flags or environment' };
  }
  const files = usualFiles(env, root);
  const found = findProfile(flags.profile ?? env.FREEHOLD_PROFILE, files);
  if (found === undefined) throw nothingFound(url, apiKey, files);
  const { profile, file } = found;
  if (apiKey === undefined && url !== undefined && originOf(checkUrl(url)) !== originOf(profile.url)) {
    throw new CliError(`There is no API key for ${url}: ${file} is for ${profile.url}.`, {
      next: ['Give the key of that server with FREEHOLD_API_KEY, FREEHOLD_API_KEY_FILE or --api-key.'],
    });
  }
  const runtimeUrl = profile.runtimeUrl === undefined ? {} : { runtimeUrl: profile.runtimeUrl };
  return { url: checkUrl(url ?? profile.url), apiKey: checkKey(apiKey ?? profile.apiKey), ...runtimeUrl, from: file };
}

function keyOfEnvironment(env: Environment): string | undefined {
  const file = env.FREEHOLD_API_KEY_FILE;
  if (env.FREEHOLD_API_KEY !== undefined && file !== undefined) {
    throw new CliError('FREEHOLD_API_KEY and FREEHOLD_API_KEY_FILE are both set.', { next: ['Keep one of them.'] });
  }
  if (file === undefined) return env.FREEHOLD_API_KEY;
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new CliError(`FREEHOLD_API_KEY_FILE cannot be read: ${file}`, { cause });
  }
}

/** A profile that is asked for must be there; the usual places may be empty. */
function findProfile(
  asked: string | undefined,
  files: readonly string[],
): { profile: Profile; file: string } | undefined {
  if (asked !== undefined && asked !== '') {
    if (!fs.existsSync(asked)) throw new CliError(`There is no profile ${asked}.`, { next: [profileForm] });
    return { profile: readProfile(asked), file: asked };
  }
  const file = files.find((each) => fs.existsSync(each));
  return file === undefined ? undefined : { profile: readProfile(file), file };
}

function usualFiles(env: Environment, root: string): string[] {
  const home = env.XDG_CONFIG_HOME || path.join(env.HOME || os.homedir(), '.config');
  return [path.join(root, 'data/profile.json'), path.join(home, 'freehold/profile.json')];
}

const profileForm = 'A profile is a JSON file: {"url": "http://…", "api_key": "fhk_…"}';

function readProfile(file: string): Profile {
  let parsed: unknown;
  try {
    parsed = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CliError(`The profile ${file} cannot be read.`, { cause, next: [profileForm] });
  }
  const { url, api_key: apiKey, runtime_url: runtimeUrl } = (parsed ?? {}) as Record<string, unknown>;
  if (typeof url !== 'string' || typeof apiKey !== 'string') {
    throw new CliError(`The profile ${file} must have "url" and "api_key".`, { next: [profileForm] });
  }
  return { url, apiKey, ...(typeof runtimeUrl === 'string' && { runtimeUrl }) };
}

function nothingFound(url: string | undefined, apiKey: string | undefined, files: readonly string[]): CliError {
  const missing =
    url === undefined && apiKey === undefined
      ? 'No server and no API key are configured.'
      : url === undefined
        ? 'An API key is given, but no server.'
        : `There is no API key for ${url}.`;
  return new CliError(missing, {
    next: [
      'On this machine: run `npm start` in another terminal; it writes data/profile.json.',
      'For a server elsewhere: set FREEHOLD_URL and FREEHOLD_API_KEY (or FREEHOLD_API_KEY_FILE), or name a file with --profile.',
      `Looked at: ${files.join(', ')}`,
    ],
  });
}

function checkUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return text.replace(/\/+$/, '');
  const next = text.startsWith('postgres')
    ? ['The URL of a PostgreSQL server goes to `clusters add --superuser-url`.']
    : ['Write it as http://host:port or https://host.'];
  // The text is not repeated: it may hold a password.
  throw new CliError('The URL of the admin API is not an http or https URL.', { next });
}

/** It travels in a header: anything but printable ASCII would fail there with a message that shows it. */
function checkKey(text: string): string {
  if (/^[\x21-\x7e]{1,500}$/.test(text)) return text;
  throw new CliError('The API key is empty or has characters that no key has.', {
    next: ['Keys begin with fhk_; `freehold keys create` makes one.'],
  });
}

function originOf(url: string): string | undefined {
  return URL.parse(url)?.origin;
}
