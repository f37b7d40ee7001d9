import { join } from 'node:path'
import { App } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { checkSettings, readSettings, type Settings } from './settings.ts'
import { MediaService } from './stack.ts'

export const example = readSettings(join(import.meta.dirname, 'example/settings.json'))

/** The example's stack, with other settings where given. */
export function synthesize(changed: Partial<Settings> = {}): Template {
  const stack = new MediaService(new App(), 'media-service', checkSettings({ ...example, ...changed }))
  return Template.fromStack(stack)
}

export type Resource = { Type: string; Properties: Record<string, any>; DeletionPolicy?: string }

export function allOf(template: Template, type: string): Resource[] {
  return Object.values(template.findResources(type)) as Resource[]
}

export function onlyOf(template: Template, type: string): Resource {
  const all = allOf(template, type)
  if (all.length !== 1) throw new Error(`${all.length} of ${type}`)
  return all[0] as Resource
}

/** What a variable is at run time stands for itself where the stack decides it. */
export function envOf(given: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, typeof value === 'string' ? value : placeholders(name)]),
  )
}

function placeholders(name: string): string {
  if (name.startsWith('QUEUE_SQS_') && name.endsWith('_URL')) return 'https://sqs.eu-central-1.amazonaws.com/1/tasks'
  if (name === 'TRUST_PROXY') return '10.0.0.0/16'
  if (name === 'CDN_DISTRIBUTION_ID') return 'E1U5RQF7T870K0'
  if (name === 'CDN_BASE_URL') return 'https://d111111abcdef8.cloudfront.net'
  return 'decided-by-the-stack'
}
