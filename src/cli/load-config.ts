import { existsSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { checkConfig, type DaybookConfig } from '../core/config.ts'
import { DaybookError } from '../core/errors.ts'

/**
 * The configuration: the file that was named, else `daybook.config.ts` (or .js, .mjs, .json, …) of the folder; empty where there is none.
 * @throws DaybookError `not_found` where a named file is not there; `invalid_option` where it can't be run or read.
 */
export async function loadConfig(cwd: string, file?: string): Promise<DaybookConfig> {
  if (file !== undefined && !existsSync(resolve(cwd, file))) {
    throw new DaybookError('not_found', `There is no configuration file ${file}. Correct --config, or leave it out.`)
  }
  // Loaded only here: most commands run without a configuration, and start faster so.
  const { loadConfig } = await import('c12')
  const path = file === undefined ? undefined : resolve(cwd, file)
  const loading = loadConfig({
    name: 'daybook',
    cwd: path === undefined ? cwd : dirname(path),
    ...(path !== undefined && { configFile: path }),
    rcFile: false,
    globalRc: false,
    extend: false,
    giget: false,
    envName: false,
  })
  const name = (found: string | undefined) => (found === undefined ? 'daybook.config' : relative(cwd, found) || found)
  const { config, _configFile } = await loading.catch((error: unknown) => {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new DaybookError('invalid_option', `${file ?? 'daybook.config'} can't be run: ${reason}`, { cause: error })
  })
  if (_configFile === undefined) return {}
  return checkConfig(config, name(_configFile))
}
