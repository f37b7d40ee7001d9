import { join } from 'node:path'
import { App } from 'aws-cdk-lib'
import { readSettings } from './settings.ts'
import { MediaService } from './stack.ts'

const app = new App()
try {
  const settings = readSettings(join(import.meta.dirname, app.node.getContext('settings')))
  new MediaService(app, settings.stackName, settings)
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exit(1)
}
